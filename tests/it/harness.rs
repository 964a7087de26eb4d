//! The stage: upstreams that do what a test says, the real binary between them, a client that reads every byte.

use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

/// How long anything in a test may take before it counts as hanging.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until it holds; where it never does, fails with what is to be said then.
pub fn until(mut holds: impl FnMut() -> bool, otherwise: impl FnOnce() -> String) {
    let end = Instant::now() + PATIENCE;
    while !holds() {
        if Instant::now() > end {
            panic!("{}", otherwise());
        }
        thread::sleep(Duration::from_millis(5));
    }
}

// === Upstreams ===

/// A request as an upstream read it.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    pub line: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Seen {
    pub fn path(&self) -> &str {
        self.line.split(' ').nth(1).unwrap_or("")
    }

    pub fn method(&self) -> &str {
        self.line.split(' ').next().unwrap_or("")
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }
}

/// What an upstream does with a request: writes whatever it likes; `false` closes the connection.
type Handler = dyn Fn(&Seen, &mut TcpStream) -> bool + Send + Sync;

/// A misbehaving or well-behaved HTTP/1.1 server of raw bytes.
pub struct Upstream {
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    wire: Arc<Mutex<Vec<u8>>>,
    stop: Arc<AtomicBool>,
}

/// Keeps a copy of every byte read.
struct Tapped {
    stream: TcpStream,
    wire: Arc<Mutex<Vec<u8>>>,
}

impl Read for Tapped {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.stream.read(buf)?;
        self.wire.lock().unwrap().extend_from_slice(&buf[..n]);
        Ok(n)
    }
}

impl Upstream {
    /// Answers each request with what `answer` makes of it: a whole raw response.
    pub fn answering(answer: impl Fn(&Seen) -> Vec<u8> + Send + Sync + 'static) -> Self {
        Self::raw(move |seen, stream| stream.write_all(&answer(seen)).is_ok())
    }

    /// Answers everything with 200 and this body as JSON.
    pub fn json(body: &str) -> Self {
        let response = json(200, body);
        Self::answering(move |_| response.clone())
    }

    /// Does what `handler` does.
    pub fn raw(handler: impl Fn(&Seen, &mut TcpStream) -> bool + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (seen, stop) = (Arc::new(Mutex::new(Vec::new())), Arc::new(AtomicBool::new(false)));
        let wire = Arc::new(Mutex::new(Vec::new()));
        let handler: Arc<Handler> = Arc::new(handler);
        let (log, tap, stopped) = (seen.clone(), wire.clone(), stop.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                let (Ok(stream), log, handler) = (stream, log.clone(), handler.clone()) else { return };
                let wire = tap.clone();
                thread::spawn(move || serve(Tapped { stream, wire }, &log, &*handler));
            }
        });
        Self { address, seen, wire, stop }
    }

    /// Accepts, reads, never answers.
    pub fn stalled() -> Self {
        Self::raw(|_, stream| {
            let mut sink = [0; 4096];
            while matches!(stream.read(&mut sink), Ok(n) if n > 0) {}
            false
        })
    }

    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// Every byte that was read, whole requests or not.
    pub fn wire(&self) -> Vec<u8> {
        self.wire.lock().unwrap().clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        // Wakes the accept loop so that it sees the flag.
        let _ = TcpStream::connect(self.address);
    }
}

/// An address at which nothing listens.
pub fn nobody() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

fn serve(tapped: Tapped, log: &Mutex<Vec<Seen>>, handler: &Handler) {
    tapped.stream.set_nodelay(true).unwrap();
    let mut write = tapped.stream.try_clone().unwrap();
    let mut read = BufReader::new(tapped);
    while let Some(seen) = read_request(&mut read) {
        log.lock().unwrap().push(seen.clone());
        if !handler(&seen, &mut write) {
            let _ = write.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read_request(read: &mut impl BufRead) -> Option<Seen> {
    let mut line = String::new();
    if read.read_line(&mut line).ok()? == 0 {
        return None;
    }
    let headers = read_fields(read)?;
    let mut seen = Seen { line: line.trim_end().to_owned(), headers, body: Vec::new() };
    if let Some(length) = seen.header("content-length").and_then(|l| l.parse().ok()) {
        seen.body = vec![0; length];
        read.read_exact(&mut seen.body).ok()?;
    } else if seen.header("transfer-encoding").is_some() {
        seen.body = read_chunked(read)?.0;
    }
    Some(seen)
}

fn read_fields(read: &mut impl BufRead) -> Option<Vec<(String, String)>> {
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        read.read_line(&mut line).ok()?;
        let line = line.trim_end_matches(['\r', '\n']);
        if line.is_empty() {
            return Some(fields);
        }
        let (name, value) = line.split_once(':')?;
        fields.push((name.to_owned(), value.trim().to_owned()));
    }
}

/// Body and trailers.
type Chunked = (Vec<u8>, Vec<(String, String)>);

fn read_chunked(read: &mut impl BufRead) -> Option<Chunked> {
    let mut body = Vec::new();
    loop {
        let mut size = String::new();
        read.read_line(&mut size).ok()?;
        let size = usize::from_str_radix(size.trim_end().split(';').next()?, 16).ok()?;
        if size == 0 {
            return Some((body, read_fields(read)?));
        }
        let start = body.len();
        body.resize(start + size, 0);
        read.read_exact(&mut body[start..]).ok()?;
        read.read_exact(&mut [0; 2]).ok()?;
    }
}

/// A whole answer with a length.
pub fn answer(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut response = format!("HTTP/1.1 {status}\r\n").into_bytes();
    for (name, value) in headers {
        response.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
    }
    response.extend_from_slice(format!("Content-Length: {}\r\n\r\n", body.len()).as_bytes());
    response.extend_from_slice(body);
    response
}

pub fn json(status: u16, body: &str) -> Vec<u8> {
    let status = http::StatusCode::from_u16(status).unwrap();
    answer(&status.to_string(), &[("Content-Type", "application/json")], body.as_bytes())
}

// === The proxy ===

/// The binary under test, running `serve`.
pub struct Proxy {
    pub listen: SocketAddr,
    pub admin: SocketAddr,
    pub folder: PathBuf,
    child: Child,
    log: Arc<Mutex<String>>,
    _temp: Option<tempfile::TempDir>,
}

/// `serve` with its arguments; `start` runs it.
#[derive(Default)]
pub struct Serve {
    args: Vec<String>,
    toml: String,
    folder: Option<PathBuf>,
    descriptors: Option<u32>,
    stderr: Option<Stdio>,
    sockets: Option<[TcpListener; 2]>,
}

impl Proxy {
    pub fn between(primary: &str, candidate: &str) -> Serve {
        let args = ["--primary", primary, "--candidate", candidate].map(str::to_owned).to_vec();
        Serve { args, ..Serve::default() }
    }

    /// Where the legs are is for the configuration to say.
    pub fn configured(toml: &str) -> Serve {
        Serve { toml: toml.to_owned(), ..Serve::default() }
    }

    /// One exchange on a connection of its own.
    pub fn get(&self, path: &str) -> Reply {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: shop.example\r\nConnection: close\r\n\r\n"))
    }

    /// Raw bytes on a connection of their own, and the first answer to them.
    pub fn send(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut client = self.connect();
        client.write(request.as_ref());
        client.read_reply()
    }

    pub fn connect(&self) -> Client {
        Client::connect(self.listen)
    }

    /// The admin interface's JSON at `path`.
    pub fn admin(&self, path: &str) -> (u16, Value) {
        self.admin_request("GET", path, None)
    }

    pub fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        self.admin_request("POST", path, Some(body))
    }

    fn admin_request(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut client = Client::connect(self.admin);
        client.write(
            format!(
                "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                self.admin,
                body.len()
            )
            .as_bytes(),
        );
        let reply = client.read_reply();
        let value = serde_json::from_slice(&reply.body)
            .unwrap_or_else(|e| panic!("{path} is not JSON ({e}): {}", String::from_utf8_lossy(&reply.body)));
        (reply.status, value)
    }

    pub fn report(&self) -> Value {
        let (status, report) = self.admin("/api/v1/report");
        assert_eq!(status, 200, "{report}");
        law(&report);
        report
    }

    /// The report once nothing is pending and `requests` have been counted.
    pub fn settled(&self, requests: u64) -> Value {
        self.report_when(|totals| totals["requests"] == requests && totals["pending"] == 0)
    }

    /// The report once `holds` of its totals.
    pub fn report_when(&self, holds: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let report = self.report();
            if holds(&report["totals"]) {
                return report;
            }
            assert!(Instant::now() < end, "still {:#}\n{}", report["totals"], self.log());
            thread::sleep(Duration::from_millis(20));
        }
    }

    pub fn log(&self) -> String {
        self.log.lock().unwrap().clone()
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(status.success());
    }

    /// Waits for the process to end by itself; its exit code, where it has one.
    pub fn wait(&mut self) -> Option<i32> {
        let (child, log) = (&mut self.child, &self.log);
        let mut status = None;
        let ended = || {
            status = child.try_wait().unwrap();
            status.is_some()
        };
        until(ended, || format!("the proxy does not end\n{}", log.lock().unwrap()));
        status.unwrap().code()
    }

    /// Resident memory in KiB.
    pub fn resident(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find(|l| l.starts_with("VmRSS")).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// `parallax ARGS --admin` this one.
    pub fn ask(&self, args: &[&str]) -> Output {
        let admin = format!("http://{}", self.admin);
        parallax(&[args, &["--admin", &admin]].concat())
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- the proxy's log\n{}", self.log());
        }
    }
}

impl Serve {
    pub fn args(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|a| (*a).to_owned()));
        self
    }

    /// The configuration file's text.
    pub fn config(mut self, toml: &str) -> Self {
        self.toml.push_str(toml);
        self
    }

    /// Keeps the evidence in this folder instead of one of its own.
    pub fn folder(mut self, folder: &Path) -> Self {
        self.folder = Some(folder.to_owned());
        self
    }

    /// Runs it with a hard limit of so many file descriptors.
    pub fn descriptors(mut self, most: u32) -> Self {
        self.descriptors = Some(most);
        self
    }

    /// Sends its log there; [`Proxy::log`] has none of it then.
    pub fn stderr(mut self, to: impl Into<Stdio>) -> Self {
        self.stderr = Some(to.into());
        self
    }

    /// Hands these over as a service manager does: the proxy's and the admin interface's.
    pub fn handed_over(mut self, sockets: [TcpListener; 2]) -> Self {
        self.sockets = Some(sockets);
        self
    }

    /// Runs it where it cannot start: its exit code, and what it said.
    pub fn fail(self) -> (Option<i32>, String) {
        let folder = self.folder.clone().unwrap();
        let mut child = self.command(&folder).spawn().unwrap();
        let end = Instant::now() + PATIENCE;
        while child.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                child.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(5));
        }
        let output = child.wait_with_output().unwrap();
        (output.status.code(), text(&output.stderr))
    }

    pub fn start(self) -> Proxy {
        let temp = self.folder.is_none().then(|| tempfile::tempdir().unwrap());
        let folder = self.folder.clone().unwrap_or_else(|| temp.as_ref().unwrap().path().to_owned());
        let ready = folder.join("ready.json");
        let _ = std::fs::remove_file(&ready);
        // Not kept, or the other end of what it was given as streams stays open here.
        let mut child = self.command(&folder).spawn().unwrap();
        let log = Arc::new(Mutex::new(String::new()));
        if let Some(stderr) = child.stderr.take() {
            let (mut stderr, sink) = (BufReader::new(stderr), log.clone());
            thread::spawn(move || {
                let mut line = String::new();
                while matches!(stderr.read_line(&mut line), Ok(n) if n > 0) {
                    sink.lock().unwrap().push_str(&line);
                    line.clear();
                }
            });
        }
        let end = Instant::now() + PATIENCE;
        let ready: Value = loop {
            if let Ok(text) = std::fs::read(&ready) {
                break serde_json::from_slice(&text).unwrap();
            }
            if let Some(status) = child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(50));
                panic!("the proxy ended with {status} before it was ready\n{}", log.lock().unwrap());
            }
            assert!(Instant::now() < end, "the proxy is not ready\n{}", log.lock().unwrap());
            thread::sleep(Duration::from_millis(5));
        };
        let address = |key: &str| ready[key].as_str().unwrap().parse().unwrap();
        assert_eq!(ready["pid"], child.id());
        Proxy { listen: address("listen"), admin: address("admin"), folder, child, log, _temp: temp }
    }

    fn command(self, folder: &Path) -> Command {
        let config = folder.join("parallax.toml");
        std::fs::write(&config, self.toml).unwrap();
        let within = |shell: &str| {
            let mut command = clean("sh");
            command.arg("-c").arg(format!("{shell}; exec \"$0\" \"$@\"")).arg(env!("CARGO_BIN_EXE_parallax"));
            command
        };
        let mut command = match (self.descriptors, &self.sockets) {
            (Some(most), _) => within(&format!("ulimit -n {most}")),
            // The process keeps the shell's number, and the shell takes the sockets as its streams.
            (_, Some(_)) => within("exec 3<&0 4<&1 </dev/null >/dev/null; export LISTEN_PID=$$ LISTEN_FDS=2"),
            _ => command(),
        };
        command
            .args(["serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .arg("--data")
            .arg(folder.join("data"))
            .arg("--config")
            .arg(&config)
            .arg("--ready-file")
            .arg(folder.join("ready.json"))
            .args(&self.args)
            .stdout(Stdio::null())
            .stderr(self.stderr.unwrap_or_else(Stdio::piped));
        if let Some([listen, admin]) = self.sockets.map(|sockets| sockets.map(OwnedFd::from)) {
            command.stdin(listen).stdout(admin);
        }
        command
    }
}

/// The binary, without what the environment may say to it.
pub fn command() -> Command {
    clean(env!("CARGO_BIN_EXE_parallax"))
}

fn clean(program: &str) -> Command {
    let mut command = Command::new(program);
    for name in ["PARALLAX_ADMIN", "PARALLAX_CONFIG", "PARALLAX_TOKEN", "NO_COLOR", "GITHUB_STEP_SUMMARY"] {
        command.env_remove(name);
    }
    command
}

/// Runs a command to its end.
pub fn parallax(args: &[&str]) -> Output {
    command().args(args).stdin(Stdio::null()).output().unwrap()
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The law of accounting, for the totals and for every route.
pub fn law(report: &Value) {
    let n = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("not a count: {v}"));
    let sum = |v: &Value| v.as_object().unwrap().values().map(n).sum::<u64>();
    let check = |c: &Value, what: &str| {
        assert_eq!(n(&c["requests"]), n(&c["mirrored"]) + sum(&c["not_mirrored"]), "{what}: {c:#}");
        assert_eq!(n(&c["mirrored"]), n(&c["compared"]) + n(&c["incomparable"]) + n(&c["pending"]), "{what}: {c:#}");
        assert_eq!(n(&c["compared"]), n(&c["matched"]) + n(&c["excused"]) + n(&c["divergent"]), "{what}: {c:#}");
        assert_eq!(n(&c["incomparable"]), sum(&c["incomparable_reasons"]), "{what}: {c:#}");
        assert_eq!(n(&c["excused"]), sum(&c["excused_reasons"]), "{what}: {c:#}");
    };
    check(&report["totals"], "totals");
    for route in report["routes"].as_array().unwrap() {
        check(route, route["route"].as_str().unwrap());
    }
    for key in ["requests", "mirrored", "pending", "compared", "matched", "excused", "divergent", "incomparable"] {
        let routes: u64 = report["routes"].as_array().unwrap().iter().map(|r| n(&r[key])).sum();
        assert_eq!(n(&report["totals"][key]), routes, "totals are the sums of the routes: {key}");
    }
}

// === A client ===

/// An answer as it came, byte for byte.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply {
    pub status: u16,
    pub reason: String,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
    pub trailers: Vec<(String, String)>,
    /// The body ended as its framing said.
    pub whole: bool,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str())
    }

    pub fn text(&self) -> String {
        text(&self.body)
    }
}

pub struct Client {
    pub stream: TcpStream,
    read: BufReader<TcpStream>,
    method: String,
}

impl Client {
    pub fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        stream.set_nodelay(true).unwrap();
        Self { read: BufReader::new(stream.try_clone().unwrap()), stream, method: String::new() }
    }

    pub fn write(&mut self, bytes: &[u8]) {
        self.method = text(bytes).split(' ').next().unwrap_or("").to_owned();
        // A peer that has refused and gone may not take all of it.
        let _ = self.stream.write_all(bytes);
    }

    /// The next answer; its status is 0 when the connection ended without one.
    pub fn read_reply(&mut self) -> Reply {
        let mut reply =
            Reply { status: 0, reason: String::new(), headers: vec![], body: vec![], trailers: vec![], whole: false };
        let mut line = String::new();
        if self.read.read_line(&mut line).unwrap_or(0) == 0 {
            return reply;
        }
        let mut words = line.trim_end_matches(['\r', '\n']).splitn(3, ' ');
        assert!(words.next().is_some_and(|version| version.starts_with("HTTP/1.")), "{line}");
        reply.status = words.next().unwrap().parse().unwrap();
        reply.reason = words.next().unwrap_or("").to_owned();
        reply.headers = read_fields(&mut self.read).unwrap();
        let bodiless = self.method == "HEAD" || reply.status < 200 || [204, 304].contains(&reply.status);
        if bodiless {
            reply.whole = true;
        } else if let Some(length) = reply.header("content-length").map(|l| l.parse::<u64>().unwrap()) {
            (&mut self.read).take(length).read_to_end(&mut reply.body).unwrap_or(0);
            reply.whole = reply.body.len() as u64 == length;
        } else if reply.header("transfer-encoding").is_some() {
            if let Some((body, trailers)) = read_chunked(&mut self.read) {
                (reply.body, reply.trailers, reply.whole) = (body, trailers, true);
            }
        } else {
            reply.whole = self.read.read_to_end(&mut reply.body).is_ok();
        }
        reply
    }

    /// Whether the peer has ended the connection and said nothing more.
    pub fn at_end(&mut self) -> bool {
        matches!(self.read.fill_buf(), Ok([]) | Err(_))
    }
}
