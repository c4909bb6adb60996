//! Reading everything that a partition holds between two offsets: the one loop for it, as there is more than one way to
//! get it wrong. The end of a segment cuts a fetch short, so a short answer is not the end; retention or compaction may
//! take away what is about to be read; and a log may become shorter.
//!
//! The next request is on its way while a batch is being looked at, so it takes as long as the slower of the two.

use std::{
    future::{Future, poll_fn},
    ops::Range,
    pin::Pin,
    task::Poll,
};

use super::{
    batch::Batch,
    fault::Fault,
    reader::{PartitionReader, Read},
};

/// Polls a read once, which is as much as it takes to write its request out. It has to be polled on unless it is ready.
pub async fn send_off<R: Future + Unpin>(reading: &mut R) -> Poll<R::Output> {
    let mut reading = Pin::new(reading);
    poll_fn(|context| Poll::Ready(reading.as_mut().poll(context))).await
}

impl PartitionReader {
    /// Hands `each` all batches from the start of `range` on until its end, or that of the log where that comes first.
    /// The first batch may begin before the start, the last one may reach beyond the end. Gives whether the log still
    /// held all of `range`, but for its end.
    ///
    /// # Errors
    /// [`Fault`] when no broker could answer within the deadline.
    pub async fn read_through(&mut self, range: Range<i64>, mut each: impl FnMut(&Batch)) -> Result<bool, Fault> {
        let Range { start: mut offset, mut end } = range;
        let mut is_whole = true;
        let mut arrived = None;
        while offset < end {
            let read = match arrived.take() {
                Some(read) => read,
                None => self.read(offset).await?,
            };
            match read {
                // Nothing, where something was said to be: the log may have become shorter.
                Read::Records(batch) if batch.next_offset() == offset => end = end.min(self.bounds().await?.end),
                Read::Records(batch) => {
                    offset = batch.next_offset();
                    if offset < end {
                        arrived = Some(self.read_while(offset, || each(&batch)).await?);
                    } else {
                        each(&batch);
                    }
                }
                Read::OutOfRange => {
                    is_whole = false;
                    offset = self.bounds().await?.start.max(offset + 1);
                }
            }
        }
        Ok(is_whole)
    }

    /// Reads from `offset` on, and does `work` once the request is on its way.
    ///
    /// # Errors
    /// [`Fault`] when no broker could answer within the deadline; the work is done all the same.
    pub async fn read_while(&mut self, offset: i64, work: impl FnOnce()) -> Result<Read, Fault> {
        let mut reading = Box::pin(self.read(offset));
        let arrived = send_off(&mut reading).await;
        work();
        match arrived {
            Poll::Ready(read) => read,
            Poll::Pending => reading.await,
        }
    }
}
