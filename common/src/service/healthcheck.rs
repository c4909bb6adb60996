//! `healthcheck`: asks the process that listens at `HTTP_LISTEN` how it is, for containers that hold no shell and no
//! curl. Blocking and without a runtime, as it runs every few seconds.

use std::io::{self, Read as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::time::Duration;

use clap::{Arg, ArgAction, ArgMatches, Command};

use super::exit::ExitCode;
use super::output;

/// The subcommand's name.
pub(super) const NAME: &str = "healthcheck";
const ALIVE: &str = "alive";
/// Longest wait for each of connecting, asking and answering.
const STEP_LIMIT: Duration = Duration::from_secs(2);
/// Most that is read of the answer: its first line, and why it is not ready.
const ANSWER_BYTES_MAX: u64 = 4_096;

/// The subcommand as clap knows it.
pub(super) fn command() -> Command {
    Command::new(NAME)
        .about("Ask the process at HTTP_LISTEN whether it is ready, for containers without a shell: exit code 0 or 1")
        .arg(Arg::new(ALIVE).long(ALIVE).action(ArgAction::SetTrue).help("Ask only whether it is alive"))
}

/// What is asked: `/readyz`, or `/livez`.
pub(super) fn path(matches: &ArgMatches) -> &'static str {
    if matches.get_flag(ALIVE) { "/livez" } else { "/readyz" }
}

/// Asks, and says what the answer was.
pub(super) fn run(listen: SocketAddr, path: &str) -> ExitCode {
    if listen.port() == 0 {
        output::complain("healthcheck: HTTP_LISTEN has port 0, any free one: set it to the port that is to be asked");
        return ExitCode::Configuration;
    }
    match ask(reachable(listen), path) {
        Ok(Answer { is_good, text }) => {
            let taken = output::result(&text);
            if is_good && taken { ExitCode::Done } else { ExitCode::NotRight }
        }
        Err(error) => {
            output::complain(&format!("healthcheck: {listen} does not answer: {error}. Does the process run?"));
            ExitCode::NotRight
        }
    }
}

/// Where a process that listens at `listen` is asked from the same machine: over loopback, where it listens on all addresses.
#[must_use]
pub fn reachable(listen: SocketAddr) -> SocketAddr {
    let ip = match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, listen.port())
}

#[derive(Debug)]
struct Answer {
    is_good: bool,
    text: String,
}

fn ask(address: SocketAddr, path: &str) -> io::Result<Answer> {
    let mut stream = TcpStream::connect_timeout(&address, STEP_LIMIT)?;
    stream.set_read_timeout(Some(STEP_LIMIT))?;
    stream.set_write_timeout(Some(STEP_LIMIT))?;
    // In one write: `write!` would send it in as many packets as it has parts.
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = Vec::new();
    stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.lines().next().unwrap_or_default();
    let is_good = status.split(' ').nth(1) == Some("200");
    let text = if body.trim().is_empty() { status } else { body }.trim().to_owned();
    Ok(Answer { is_good, text })
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Answers one question.
    fn answering(answer: &'static str) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(&stream).lines().map(Result::unwrap);
            let question: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            assert_eq!(question[0], "GET /readyz HTTP/1.1");
            stream.write_all(answer.as_bytes()).unwrap();
        });
        address
    }

    #[test]
    fn only_200_is_good_and_the_reason_is_handed_on() {
        let answer = ask(answering("HTTP/1.1 200 OK\r\nx: y\r\n\r\nready\n"), "/readyz").unwrap();
        assert!(answer.is_good && answer.text == "ready", "{answer:?}");
        let answer = ask(answering("HTTP/1.1 503 Service Unavailable\r\n\r\nkafka: away\n"), "/readyz").unwrap();
        assert!(!answer.is_good && answer.text == "kafka: away", "{answer:?}");
        let answer = ask(answering("SSH-2.0-OpenSSH\r\n"), "/readyz").unwrap();
        assert!(!answer.is_good, "{answer:?}");
    }

    #[test]
    fn nobody_listening_is_not_ready_and_no_port_to_ask_is_a_wrong_setting() {
        // The near end of a connection: nobody listens there, and nobody else can as long as it is open.
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let connection = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let nobody = connection.local_addr().unwrap();
        assert_eq!(run(nobody, "/readyz"), ExitCode::NotRight);
        assert_eq!(run("127.0.0.1:0".parse().unwrap(), "/readyz"), ExitCode::Configuration);
    }

    #[test]
    fn what_listens_on_all_addresses_is_asked_over_loopback() {
        assert_eq!(reachable("0.0.0.0:8080".parse().unwrap()).to_string(), "127.0.0.1:8080");
        assert_eq!(reachable("[::]:8080".parse().unwrap()).to_string(), "[::1]:8080");
        assert_eq!(reachable("10.1.2.3:8080".parse().unwrap()).to_string(), "10.1.2.3:8080");
    }
}
