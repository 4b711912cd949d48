//! A real Chromium without a screen, spoken to in its `DevTools` protocol over a pipe.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};
use tempfile::TempDir;

/// Started through a shell, since the protocol is spoken over the file descriptors 3 and 4.
const START: &str = "exec \"${CHROMIUM:-chromium}\" --headless --no-sandbox --disable-gpu --disable-quic \
                     --disable-dev-shm-usage --no-first-run --disable-background-networking \
                     --disable-component-update --disable-sync --hide-scrollbars --force-color-profile=srgb \
                     --user-data-dir=\"$1\" --remote-debugging-pipe about:blank 3<&0 4>&1 0</dev/null 1>&2";

/// Longer than any answer takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running browser with one page; it ends when dropped.
pub(crate) struct Browser {
    process: Child,
    requests: ChildStdin,
    messages: Receiver<Value>,
    /// What came beside answers since the last page was opened.
    events: Vec<Value>,
    /// The page that is looked at, and an empty one that reads pictures of it.
    page: String,
    reader: String,
    last: u64,
    _profile: TempDir,
}

/// How a page is looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct View {
    pub(crate) width: u32,
    pub(crate) scheme: &'static str,
    pub(crate) media: &'static str,
}

pub(crate) const LIGHT: View = View { width: 1200, scheme: "light", media: "screen" };
pub(crate) const DARK: View = View { width: 1200, scheme: "dark", media: "screen" };
pub(crate) const PHONE: View = View { width: 390, scheme: "dark", media: "screen" };
/// A4 without margins. Whoever prints may prefer dark on the screen.
pub(crate) const PRINT: View = View { width: 718, scheme: "dark", media: "print" };

/// A rectangle of a page: left, top, width and height.
pub(crate) type Rectangle = (f64, f64, f64, f64);

/// What is seen: a red, green and blue byte a pixel, and one that is always 255.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Picture {
    width: usize,
    bytes: Vec<u8>,
}

impl Picture {
    /// The pixels in which another picture of the same rectangle differs.
    pub(crate) fn difference(&self, other: &Self) -> Vec<(usize, usize)> {
        assert_eq!((self.width, self.bytes.len()), (other.width, other.bytes.len()));
        let pairs = self.bytes.chunks(4).zip(other.bytes.chunks(4)).enumerate();
        let differ = pairs.filter(|(_, (one, two))| one != two);
        differ.map(|(index, _)| (index % self.width, index / self.width)).collect()
    }
}

impl Browser {
    pub(crate) fn start() -> Self {
        let profile = tempfile::tempdir().expect("a directory");
        let mut process = Command::new("sh")
            .args(["-c", START, "sh"])
            .arg(profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("a shell");
        let requests = process.stdin.take().expect("piped");
        let mut answers = BufReader::new(process.stdout.take().expect("piped"));
        let (sender, messages) = channel();
        thread::spawn(move || {
            let mut bytes = Vec::new();
            while answers.read_until(0, &mut bytes).is_ok_and(|length| length > 0) {
                bytes.pop();
                let message = serde_json::from_slice(&bytes).expect("JSON");
                if sender.send(message).is_err() {
                    return;
                }
                bytes.clear();
            }
        });
        let (page, reader) = (String::new(), String::new());
        let mut browser =
            Self { process, requests, messages, events: vec![], page, reader, last: 0, _profile: profile };
        browser.reader = browser.attach();
        // The last one is in front: nobody draws a page behind it.
        browser.page = browser.attach();
        for domain in ["Page", "Network", "Log", "Runtime"] {
            browser.ask(&format!("{domain}.enable"), &json!({}));
        }
        browser
    }

    fn attach(&mut self) -> String {
        let target = self.send("", "Target.createTarget", &json!({"url": "about:blank"}));
        let how = json!({"targetId": target["targetId"], "flatten": true});
        let session = self.send("", "Target.attachToTarget", &how);
        session["sessionId"].as_str().expect("a session").to_owned()
    }

    fn receive(&mut self, what: &str) -> Value {
        let message = self.messages.recv_timeout(PATIENCE);
        message.unwrap_or_else(|error| {
            panic!("{what}: {error}; Chromium is installed by scripts/install-test-tools")
        })
    }

    fn send(&mut self, session: &str, method: &str, parameters: &Value) -> Value {
        self.last += 1;
        let mut message = json!({"id": self.last, "method": method, "params": parameters});
        if !session.is_empty() {
            message["sessionId"] = json!(session);
        }
        self.requests.write_all(format!("{message}\0").as_bytes()).expect("Chromium listens");
        loop {
            let mut answer = self.receive(method);
            if answer["id"] == json!(self.last) {
                assert!(answer.get("error").is_none(), "{method}: {answer}");
                return answer["result"].take();
            }
            self.events.push(answer);
        }
    }

    fn ask(&mut self, method: &str, parameters: &Value) -> Value {
        self.send(&self.page.clone(), method, parameters)
    }

    /// Looks at pages in another way from now on.
    pub(crate) fn look(&mut self, view: View) {
        let size =
            json!({"width": view.width, "height": 2400, "deviceScaleFactor": 1, "mobile": view.width < 500});
        self.ask("Emulation.setDeviceMetricsOverride", &size);
        let scheme = json!([{"name": "prefers-color-scheme", "value": view.scheme}]);
        self.ask("Emulation.setEmulatedMedia", &json!({"media": view.media, "features": scheme}));
    }

    /// Opens a file and waits until all of it is there.
    pub(crate) fn open(&mut self, file: &Path) {
        self.events.clear();
        self.ask("Page.navigate", &json!({"url": format!("file://{}", file.display())}));
        while !self.events.iter().any(|event| event["method"] == "Page.loadEventFired") {
            let event = self.receive("the page");
            self.events.push(event);
        }
    }

    /// What an expression of JavaScript comes to in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        self.evaluate(&self.page.clone(), expression)
    }

    fn evaluate(&mut self, session: &str, expression: &str) -> Value {
        let how = json!({"expression": expression, "returnByValue": true, "awaitPromise": true});
        let mut answer = self.send(session, "Runtime.evaluate", &how);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].take()
    }

    /// Moves the mouse to a place of the page that is in sight.
    pub(crate) fn point(&mut self, (x, y): (f64, f64)) {
        self.ask("Input.dispatchMouseEvent", &json!({"type": "mouseMoved", "x": x, "y": y}));
    }

    pub(crate) fn click(&mut self, (x, y): (f64, f64)) {
        for kind in ["mousePressed", "mouseReleased"] {
            let event = json!({"type": kind, "x": x, "y": y, "button": "left", "clickCount": 1});
            self.ask("Input.dispatchMouseEvent", &event);
        }
    }

    /// The pixels of a rectangle of the page that is in sight.
    pub(crate) fn picture(&mut self, (x, y, width, height): Rectangle) -> Picture {
        let clip = json!({"x": x, "y": y, "width": width, "height": height, "scale": 1});
        let how = json!({"format": "png", "clip": clip});
        let png = self.ask("Page.captureScreenshot", &how);
        let read = format!(
            "(async () => {{
                const png = Uint8Array.from(atob({}), letter => letter.charCodeAt(0));
                const image = await createImageBitmap(new Blob([png]));
                const context = new OffscreenCanvas(image.width, image.height).getContext('2d');
                context.drawImage(image, 0, 0);
                const bytes = context.getImageData(0, 0, image.width, image.height).data;
                let text = '';
                for (let at = 0; at < bytes.length; at += 8192) {{
                    text += String.fromCharCode(...bytes.subarray(at, at + 8192));
                }}
                return [image.width, btoa(text)];
            }})()",
            png["data"]
        );
        let read = self.evaluate(&self.reader.clone(), &read);
        let width = usize::try_from(read[0].as_u64().expect("a width")).expect("small");
        let bytes = BASE64_STANDARD.decode(read[1].as_str().expect("text")).expect("base64");
        Picture { width, bytes }
    }

    /// The addresses that were asked for since the page was opened, its own included.
    pub(crate) fn requested(&mut self) -> Vec<String> {
        let page = json!(self.page);
        let of_page = self.events.iter().filter(|event| event["sessionId"] == page);
        let requests = of_page.filter(|event| event["method"] == "Network.requestWillBeSent");
        requests
            .map(|event| event["params"]["request"]["url"].as_str().unwrap_or_default().to_owned())
            .collect()
    }

    /// What the page's console says since it was opened: messages, warnings, exceptions.
    pub(crate) fn console(&self) -> Vec<&Value> {
        const SAID: [&str; 3] = ["Log.entryAdded", "Runtime.consoleAPICalled", "Runtime.exceptionThrown"];
        self.events.iter().filter(|event| SAID.iter().any(|said| event["method"] == *said)).collect()
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It has ended already where a test has killed it.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
