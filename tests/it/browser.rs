//! A headless Chromium, driven by its own protocol: what is installed is used, nothing is fetched.

use crate::harness::PATIENCE;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

/// A browser with one page. Ends with it.
pub struct Browser {
    child: Child,
    socket: WebSocket<TcpStream>,
    session: String,
    next: u64,
    /// What the page said on its console and what it was denied.
    pub complaints: Vec<String>,
    _profile: tempfile::TempDir,
}

// === impl Browser ===

impl Browser {
    /// `None`, with a line that says so, where no Chromium is installed.
    pub fn start() -> Option<Self> {
        let names = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
        let found = names.iter().find(|name| {
            Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
        });
        let Some(name) = found else {
            eprintln!("skipped: no Chromium is installed, so the dashboard was not looked at");
            return None;
        };
        let profile = tempfile::tempdir().unwrap();
        let mut child = Command::new(name)
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--hide-scrollbars", "--remote-debugging-port=0"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let url = lines
            .find_map(|line| line.split_once("DevTools listening on ").map(|(_, url)| url.to_owned()))
            .expect("the browser says where it listens");
        // What else it says is of no interest, but it has to be read.
        std::thread::spawn(move || lines.for_each(drop));
        let address = url.trim_start_matches("ws://").split('/').next().unwrap();
        let stream = TcpStream::connect(address).unwrap();
        let (socket, _) = tungstenite::client(&url, stream).unwrap();
        socket.get_ref().set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let (session, complaints) = (String::new(), Vec::new());
        let mut browser = Self { child, socket, session, next: 0, complaints, _profile: profile };
        let target = browser.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attach = json!({ "targetId": target["targetId"], "flatten": true });
        browser.session = browser.call("Target.attachToTarget", attach)["sessionId"].as_str().unwrap().to_owned();
        for domain in ["Page", "Runtime", "Log"] {
            browser.call(&format!("{domain}.enable"), json!({}));
        }
        Some(browser)
    }

    pub fn call(&mut self, method: &str, params: Value) -> Value {
        self.next += 1;
        let id = self.next;
        let mut message = json!({ "id": id, "method": method, "params": params });
        if !self.session.is_empty() {
            message["sessionId"] = json!(self.session);
        }
        self.socket.send(Message::text(message.to_string())).unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < end, "the browser does not answer {method}");
            let Some(message) = self.read() else { continue };
            if message["id"] == id {
                assert!(message["error"].is_null(), "{method}: {}", message["error"]);
                return message["result"].clone();
            }
        }
    }

    fn read(&mut self) -> Option<Value> {
        match self.socket.read() {
            Ok(Message::Text(text)) => {
                let message: Value = serde_json::from_str(text.as_str()).unwrap();
                self.listen(&message);
                Some(message)
            }
            Ok(_) => None,
            Err(tungstenite::Error::Io(e))
                if matches!(e.kind(), std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut) =>
            {
                None
            }
            Err(e) => panic!("the browser is gone: {e}"),
        }
    }

    fn listen(&mut self, message: &Value) {
        let params = &message["params"];
        let told = match message["method"].as_str() {
            Some("Log.entryAdded") if params["entry"]["level"] == "error" => &params["entry"]["text"],
            Some("Runtime.exceptionThrown") => &params["exceptionDetails"]["exception"]["description"],
            Some("Runtime.consoleAPICalled") => &params["args"],
            _ => return,
        };
        self.complaints.push(told.to_string());
    }

    /// Opens an address and waits until it is there.
    pub fn open(&mut self, url: &str) {
        self.call("Page.navigate", json!({ "url": url }));
        self.until(&format!("location.href.startsWith({}) && document.readyState === 'complete'", json!(url)));
    }

    /// The value of an expression in the page.
    pub fn value(&mut self, expression: &str) -> Value {
        let params = json!({ "expression": expression, "returnByValue": true, "awaitPromise": true });
        let result = self.call("Runtime.evaluate", params);
        assert!(result["exceptionDetails"].is_null(), "{expression}: {}", result["exceptionDetails"]);
        result["result"]["value"].clone()
    }

    pub fn text(&mut self, expression: &str) -> String {
        self.value(expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until an expression is true. The page may be replaced meanwhile.
    pub fn until(&mut self, expression: &str) {
        let end = Instant::now() + PATIENCE;
        loop {
            let params = json!({ "expression": format!("Boolean({expression})"), "returnByValue": true });
            let result = self.call("Runtime.evaluate", params);
            if result["result"]["value"] == true {
                return;
            }
            if Instant::now() > end {
                let page = self.text("document.body ? document.body.innerText : ''");
                panic!("never true: {expression}\n{page}");
            }
            // Reads what the browser has to say, or waits a moment.
            self.read();
        }
    }

    /// Clicks the first element that a selector finds.
    pub fn click(&mut self, selector: &str) {
        self.until(&format!("document.querySelector({})", json!(selector)));
        self.value(&format!("document.querySelector({}).click()", json!(selector)));
    }

    /// Presses a key for real, so that the browser itself acts on it.
    pub fn press(&mut self, key: &str, code: u32) {
        for kind in ["keyDown", "keyUp"] {
            let mut params = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            if key == "Enter" && kind == "keyDown" {
                params["text"] = json!("\r");
            }
            self.call("Input.dispatchKeyEvent", params);
        }
    }

    /// The window's size in CSS pixels, and whether it is dark.
    pub fn look(&mut self, width: u32, height: u32, dark: bool) {
        let size = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.call("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let features = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.call("Emulation.setEmulatedMedia", features);
    }

    /// A picture of the window.
    pub fn picture(&mut self, file: &Path) {
        use base64::Engine;
        let shot = self.call("Page.captureScreenshot", json!({ "format": "png" }));
        let bytes = base64::engine::general_purpose::STANDARD.decode(shot["data"].as_str().unwrap()).unwrap();
        std::fs::write(file, bytes).unwrap();
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Asked first, so that its children end with it.
        let close = json!({ "id": 0, "method": "Browser.close" }).to_string();
        let _ = self.socket.send(Message::text(close));
        let end = Instant::now() + Duration::from_secs(5);
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
