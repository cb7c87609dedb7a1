//! A small HTTP server for a few paths: one thread, whatever comes.
//!
//! An answer is sent and the connection closed. How many there are, how long one may take and what it may say is
//! bounded; when there are too many, the oldest goes, so that who holds connections open keeps nobody out.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Connections at once.
const MAX_CONNECTIONS: usize = 64;
/// Those who may wait to be taken; the system may make it fewer.
const BACKLOG: i32 = 1_024;
/// Octets of a request at most.
const MAX_REQUEST: usize = 8 << 10;
/// Headers of a request at most.
const MAX_HEADERS: usize = 64;
/// How long a connection may take until its request is read, and until it is closed.
const READ_WITHIN: Duration = Duration::from_secs(5);
const CLOSE_WITHIN: Duration = Duration::from_secs(15);
/// How often the thread looks whether it is to stop, and for connections that took too long.
const TICK: Duration = Duration::from_millis(200);
/// How long to wait when the system has no room for a connection.
const NO_ROOM: Duration = Duration::from_millis(50);

/// What is said about a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Status {
    Ok,
    BadRequest,
    NotFound,
    MethodNotAllowed,
    TooLarge,
    Unavailable,
}

impl Status {
    fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed\r\nAllow: GET, HEAD",
            Self::TooLarge => "431 Request Header Fields Too Large",
            Self::Unavailable => "503 Service Unavailable",
        }
    }
}

/// An answer.
#[derive(Debug)]
pub(super) struct Response {
    pub(super) status: Status,
    /// Its media type.
    pub(super) kind: &'static str,
    pub(super) body: String,
}

impl Response {
    pub(super) fn text(status: Status, body: impl Into<String>) -> Self {
        Self { status, kind: "text/plain; charset=utf-8", body: body.into() }
    }

    pub(super) fn json(body: String) -> Self {
        Self { status: Status::Ok, kind: "application/json", body }
    }

    fn octets(&self, with_body: bool) -> Vec<u8> {
        let mut octets = format!(
            "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nCache-Control: no-store\r\nConnection: close\r\n\r\n",
            self.status.line(),
            self.kind,
            self.body.len()
        )
        .into_bytes();
        if with_body {
            octets.extend_from_slice(self.body.as_bytes());
        }
        octets
    }
}

struct Connection {
    stream: TcpStream,
    since: Instant,
    state: State,
}

enum State {
    Reading(Vec<u8>),
    /// The rest of an answer.
    Writing(Vec<u8>, usize),
    /// All is said; what the other side still sends is read, or it would lose the answer.
    Ending(usize),
}

/// Makes a listener fit for [`serve`]: with room for those who want to connect while others are answered.
///
/// # Errors
/// When the system refuses.
pub(super) fn prepare(listener: &TcpListener) -> io::Result<()> {
    rustix::net::listen(listener, BACKLOG)?;
    listener.set_nonblocking(true)
}

/// Answers GET and HEAD with what `answer` says of a path and the query behind it, until told to stop.
pub(super) fn serve(listener: &TcpListener, stop: &AtomicBool, answer: impl Fn(&str) -> Response) {
    let mut connections: VecDeque<Connection> = VecDeque::new();
    while !stop.load(Ordering::Relaxed) {
        if wait(listener, &connections) {
            accept(listener, &mut connections, &answer);
        }
        connections.retain_mut(|connection| connection.proceed(&answer));
    }
}

/// Waits for something to do; true if somebody may want to connect.
fn wait(listener: &TcpListener, connections: &VecDeque<Connection>) -> bool {
    let mut places = vec![PollFd::new(listener, PollFlags::IN)];
    places.extend(connections.iter().map(|connection| {
        let what = match connection.state {
            State::Writing(..) => PollFlags::OUT,
            _ => PollFlags::IN,
        };
        PollFd::from_borrowed_fd(connection.stream.as_fd(), what)
    }));
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.as_nanos() as i64 };
    match poll(&mut places, Some(&tick)) {
        Ok(_) => !places[0].revents().is_empty(),
        // A signal came.
        Err(_) => false,
    }
}

/// Takes those who want to connect, as many as there may be. Each is read at once: who has something to ask has
/// mostly asked it by then, and is answered however many others there are.
fn accept(
    listener: &TcpListener,
    connections: &mut VecDeque<Connection>,
    answer: &impl Fn(&str) -> Response,
) {
    for _ in 0..MAX_CONNECTIONS {
        match listener.accept() {
            Ok((stream, _)) => {
                if stream.set_nonblocking(true).is_err() {
                    continue;
                }
                let (since, state) = (Instant::now(), State::Reading(Vec::new()));
                let mut connection = Connection { stream, since, state };
                if connection.proceed(answer) {
                    if connections.len() >= MAX_CONNECTIONS {
                        connections.pop_front();
                    }
                    connections.push_back(connection);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Mostly no more file descriptors: the others want theirs, and this would be asked again at once.
            Err(_) => {
                connections.pop_front();
                return std::thread::sleep(NO_ROOM);
            }
        }
    }
}

impl Connection {
    /// Does what can be done without waiting; false when the connection is at its end.
    fn proceed(&mut self, answer: &impl Fn(&str) -> Response) -> bool {
        let within = if matches!(self.state, State::Reading(_)) { READ_WITHIN } else { CLOSE_WITHIN };
        if self.since.elapsed() > within {
            return false;
        }
        match self.step(answer) {
            Ok(goes_on) => goes_on,
            Err(error) => matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted),
        }
    }

    fn step(&mut self, answer: &impl Fn(&str) -> Response) -> io::Result<bool> {
        let mut piece = [0; 2_048];
        loop {
            match &mut self.state {
                State::Reading(request) => {
                    let length = self.stream.read(&mut piece)?;
                    if length == 0 {
                        return Ok(false);
                    }
                    request.extend_from_slice(&piece[..length]);
                    if let Some(octets) = reply(request, answer) {
                        self.state = State::Writing(octets, 0);
                    }
                }
                State::Writing(octets, written) => {
                    *written += self.stream.write(&octets[*written..])?;
                    if *written == octets.len() {
                        self.stream.shutdown(Shutdown::Write)?;
                        self.state = State::Ending(0);
                    }
                }
                State::Ending(read) => {
                    let length = self.stream.read(&mut piece)?;
                    *read += length;
                    if length == 0 || *read > MAX_REQUEST {
                        return Ok(false);
                    }
                }
            }
        }
    }
}

/// The answer to a request; `None` while there has to come more of it.
fn reply(request: &[u8], answer: &impl Fn(&str) -> Response) -> Option<Vec<u8>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut parsed = httparse::Request::new(&mut headers);
    let refuse = |status: Status| Some(Response::text(status, format!("{}\n", status.line())).octets(true));
    match parsed.parse(request) {
        Ok(httparse::Status::Complete(_)) => {}
        Ok(httparse::Status::Partial) if request.len() < MAX_REQUEST => return None,
        Ok(httparse::Status::Partial) | Err(httparse::Error::TooManyHeaders) => {
            return refuse(Status::TooLarge);
        }
        Err(_) => return refuse(Status::BadRequest),
    }
    let target = parsed.path.unwrap_or_default();
    match parsed.method {
        Some("GET") => Some(answer(target).octets(true)),
        Some("HEAD") => Some(answer(target).octets(false)),
        _ => refuse(Status::MethodNotAllowed),
    }
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::sync::Arc;

    use super::*;

    struct Running {
        address: SocketAddr,
        stop: Arc<AtomicBool>,
        thread: Option<std::thread::JoinHandle<()>>,
    }

    impl Running {
        fn new() -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            prepare(&listener).unwrap();
            let address = listener.local_addr().unwrap();
            let stop = Arc::new(AtomicBool::new(false));
            let stopping = Arc::clone(&stop);
            let thread = std::thread::spawn(move || {
                serve(&listener, &stopping, |path| Response::text(Status::Ok, format!("{path}\n")));
            });
            Self { address, stop, thread: Some(thread) }
        }

        fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).unwrap()
        }

        fn ask(&self, request: &[u8]) -> String {
            let mut stream = self.connect();
            stream.write_all(request).unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).unwrap();
            answer
        }
    }

    impl Drop for Running {
        fn drop(&mut self) {
            self.stop.store(true, Ordering::Relaxed);
            self.thread.take().unwrap().join().unwrap();
        }
    }

    #[test]
    fn a_path_is_answered_and_the_connection_closed() {
        let server = Running::new();
        let answer = server.ask(b"GET /metrics?x=1 HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
        assert!(
            answer.contains("\r\nContent-Length: 13\r\n") && answer.contains("\r\nConnection: close\r\n")
        );
        assert!(answer.ends_with("\r\n\r\n/metrics?x=1\n"), "{answer}");
        let head = server.ask(b"HEAD / HTTP/1.0\r\n\r\n");
        assert!(head.contains("Content-Length: 2\r\n") && head.ends_with("\r\n\r\n"), "{head}");
    }

    #[test]
    fn a_request_may_come_in_pieces() {
        let server = Running::new();
        let mut stream = server.connect();
        for octet in b"GET /x HTTP/1.1\r\n\r\n" {
            stream.write_all(&[*octet]).unwrap();
        }
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.ends_with("/x\n"), "{answer}");
    }

    #[test]
    fn what_is_no_request_is_refused() {
        let server = Running::new();
        assert!(server.ask(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03").contains(" 400 "));
        assert!(server.ask(b"POST / HTTP/1.1\r\n\r\n").contains(" 405 "));
        let long = [b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'x'; MAX_REQUEST]].concat();
        assert!(server.ask(&long).contains(" 431 "));
        let many = [b"GET / HTTP/1.1\r\n".as_slice(), &b"x: y\r\n".repeat(MAX_HEADERS + 1), b"\r\n"].concat();
        assert!(server.ask(&many).contains(" 431 "));
    }

    #[test]
    fn connections_that_say_nothing_keep_nobody_out() {
        let server = Running::new();
        let mut silent: Vec<_> = (0..4 * MAX_CONNECTIONS).map(|_| server.connect()).collect();
        for stream in &mut silent {
            // Those that had to go are closed already.
            let _ = stream.write_all(b"GET /");
        }
        assert!(server.ask(b"GET /a HTTP/1.1\r\n\r\n").ends_with("/a\n"));
        // All but those that there is room for were closed.
        let closed = silent.iter().filter(|stream| {
            let mut stream: &TcpStream = stream;
            stream.set_nonblocking(true).unwrap();
            let read = stream.read(&mut [0; 16]);
            !matches!(read, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
        });
        assert!(closed.count() >= 3 * MAX_CONNECTIONS);
    }

    #[test]
    fn thousands_who_connect_and_leave_do_no_harm() {
        let server = Running::new();
        for _ in 0..2_000 {
            drop(server.connect());
        }
        assert!(server.ask(b"GET /a HTTP/1.1\r\n\r\n").ends_with("/a\n"));
    }
}
