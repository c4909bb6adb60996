//! Server-sent events, taken apart as they come in (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//! Pure: bytes in, events out. No more than [`EVENT_BYTES_MAX`] is ever held of one.

/// Most bytes of an event, its line breaks included. Thousands of partitions and all groupings full come to a few MiB.
pub const EVENT_BYTES_MAX: usize = 16 << 20;

/// An event that is longer than any of a consumer's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("an event is longer than {EVENT_BYTES_MAX} bytes")]
pub struct TooLong;

/// One event.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct ServerSent {
    /// Its name.
    pub name: Vec<u8>,
    /// Its data, lines joined.
    pub data: Vec<u8>,
}

/// Takes a stream apart.
#[derive(Debug, Default)]
pub struct Parser {
    line: Vec<u8>,
    /// The last byte was a carriage return: a line feed that follows belongs to the same line break.
    after_return: bool,
    event: ServerSent,
    has_data: bool,
}

impl Parser {
    /// Takes in what came, and gives what events were completed by it.
    ///
    /// # Errors
    /// [`TooLong`]; the stream can't be followed any further.
    pub fn take(&mut self, mut bytes: &[u8]) -> Result<Vec<ServerSent>, TooLong> {
        let mut complete = Vec::new();
        while let Some(end) = bytes.iter().position(|byte| matches!(byte, b'\r' | b'\n')) {
            let (line, rest) = (&bytes[..end], &bytes[end + 1..]);
            let continues_break = self.after_return && end == 0 && bytes[end] == b'\n';
            self.after_return = bytes[end] == b'\r';
            bytes = rest;
            if !continues_break {
                self.hold(line)?;
                complete.extend(self.end_line());
            }
        }
        if !bytes.is_empty() {
            self.after_return = false;
            self.hold(bytes)?;
        }
        Ok(complete)
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), TooLong> {
        if self.line.len() + self.event.data.len() + self.event.name.len() + bytes.len() > EVENT_BYTES_MAX {
            return Err(TooLong);
        }
        self.line.extend_from_slice(bytes);
        Ok(())
    }

    fn end_line(&mut self) -> Option<ServerSent> {
        let line = std::mem::take(&mut self.line);
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            return std::mem::take(&mut self.has_data).then_some(event);
        }
        let colon = line.iter().position(|&byte| byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match &line[..colon] {
            b"event" => self.event.name = value.to_vec(),
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.has_data = true;
                self.event.data.extend_from_slice(value);
            }
            // Comments keep the connection alive; `retry` and `id` are not ours to heed.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn event(name: &str, data: &str) -> ServerSent {
        ServerSent { name: name.into(), data: data.into() }
    }

    #[test]
    fn events_are_told_apart_and_comments_passed_over() {
        let stream = b": alive\nretry: 1000\nevent: figures\ndata: {\"a\":1}\n\n:\n\ndata:x\r\ndata\r\ndata:  y\r\n\r\nevent: empty\n\ndata: cut o";
        let events = Parser::default().take(stream).unwrap();
        assert_eq!(events, [event("figures", r#"{"a":1}"#), event("", "x\n\n y")]);
    }

    #[test]
    fn what_never_ends_is_given_up_before_it_fills_the_memory() {
        let mut parser = Parser::default();
        let piece = vec![b'x'; 1 << 20];
        let taken = (0..100).take_while(|_| parser.take(&piece).is_ok()).count();
        assert_eq!(taken, EVENT_BYTES_MAX >> 20);
        // In many short lines, it is the same.
        let (mut parser, line) = (Parser::default(), [b"data: ".as_slice(), &piece, b"\n"].concat());
        assert!((0..100).any(|_| parser.take(&line) == Err(TooLong)));
        assert!(parser.event.data.len() <= EVENT_BYTES_MAX);
    }

    proptest! {
        #[test]
        fn it_does_not_matter_where_the_stream_is_cut(cuts in proptest::collection::vec(0_usize..60, 0..8)) {
            let stream = b"event: figures\r\ndata: 1\r\n\r\n\ndata: 2\rdata: 3\r\rdata: 4\n\n";
            let whole = Parser::default().take(stream).unwrap();
            prop_assert_eq!(whole.len(), 3);
            let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(stream.len())).chain([0, stream.len()]).collect();
            cuts.sort_unstable();
            let mut parser = Parser::default();
            let pieces = cuts.windows(2).flat_map(|cut| parser.take(&stream[cut[0]..cut[1]]).unwrap());
            prop_assert_eq!(pieces.collect::<Vec<_>>(), whole);
        }
    }
}
