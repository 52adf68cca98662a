//! Owns a running `firstbyte`: started on a port of its own, in a folder of its own, stopped when it is dropped.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Longer than anything here takes, so that a hang is a failure and no wait.
pub const SOON: Duration = Duration::from_secs(20);

pub struct Server {
    child: Child,
    stdout: BufReader<ChildStdout>,
    pub addr: SocketAddr,
    pub folder: Folder,
}

/// A folder that goes when it is dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("firstbyte-test-{}-{}", std::process::id(), NEXT.fetch_add(1, Relaxed));
        let path = std::env::temp_dir().join(name);
        fs::create_dir(&path).unwrap();
        Folder(path)
    }

    pub fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// `firstbyte` with nothing in its environment that would change what it does.
pub fn firstbyte() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firstbyte"));
    for (name, _) in std::env::vars_os() {
        let name_text = name.to_string_lossy();
        if name_text.starts_with("FIRSTBYTE_")
            || ["PORT", "RUST_LOG", "NO_COLOR", "REDIS_URL", "DATABASE_URL"].contains(&&*name_text)
        {
            command.env_remove(name);
        }
    }
    command
}

/// Runs `firstbyte` to its end.
pub fn run(args: &[&str]) -> Output {
    firstbyte().args(args).stdin(Stdio::null()).output().unwrap()
}

impl Server {
    /// A server with these flags, ready to be talked to.
    pub fn start(args: &[&str]) -> Server {
        let mut command = firstbyte();
        command.args(["serve", "--listen", "127.0.0.1:0"]).args(args);
        Server::spawn(command)
    }

    /// Any program that prints its address in its first line.
    pub fn spawn(mut command: Command) -> Server {
        let folder = Folder::new();
        let stderr = File::create(folder.join("stderr")).unwrap();
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(stderr).spawn().unwrap();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        let mut server = Server { child, stdout, addr: SocketAddr::from(([0; 4], 0)), folder };
        server.addr = server.next_addr();
        server
    }

    /// The address in the next line that it prints.
    pub fn next_addr(&mut self) -> SocketAddr {
        let mut line = String::new();
        self.stdout.read_line(&mut line).unwrap();
        let addr = line.trim().rsplit_once("http://").and_then(|(_, addr)| addr.parse().ok());
        addr.unwrap_or_else(|| panic!("{line:?} names no address; {}", self.stderr()))
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to standard error.
    pub fn stderr(&self) -> String {
        fs::read_to_string(self.folder.join("stderr")).unwrap()
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    pub fn connect(&self) -> TcpStream {
        let stream = TcpStream::connect(self.addr).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        stream
    }

    /// Sends `bytes` and reads until the server closes.
    pub fn exchange(&self, bytes: &[u8]) -> String {
        let mut stream = self.connect();
        stream.write_all(bytes).unwrap();
        read_to_end(&mut stream)
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).unwrap();
    }

    /// Its exit code, or `None` when a signal has ended it.
    pub fn exit_code(&mut self) -> Option<i32> {
        let deadline = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < deadline, "it does not end; {}", self.stderr());
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// A number of `/proc/PID/status`, in KiB where it is a size.
    pub fn status_of(&self, key: &str) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(key)).unwrap();
        line.split_whitespace().nth(1).unwrap().parse().unwrap()
    }

    /// Descriptors that it has open.
    pub fn descriptors(&self) -> usize {
        fs::read_dir(format!("/proc/{}/fd", self.pid())).unwrap().count()
    }

    /// Lets `VmHWM`, the most memory it has had, begin anew. Says how much it has now, in KiB.
    pub fn forget_peak(&self) -> u64 {
        // proc_pid_clear_refs(5): 5 resets the peak.
        fs::write(format!("/proc/{}/clear_refs", self.pid()), "5").unwrap();
        self.status_of("VmHWM:")
    }

    /// The phases of its connections, the one that asks left out, in alphabetical order.
    pub fn phases(&self) -> Vec<String> {
        let answer =
            self.exchange(b"GET /inspect/connections HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        let (head, table) = answer.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with("HTTP/1.1 200 "), "{answer}");
        let table: serde_json::Value = serde_json::from_str(table).unwrap();
        let others = table["open"].as_array().unwrap().iter().filter(|row| row["own"] == false);
        let mut phases: Vec<_> = others.map(|row| row["phase"].as_str().unwrap().to_owned()).collect();
        phases.sort();
        phases
    }

    /// Waits until the phases of its connections are `expected`.
    pub fn wait_for_phases(&self, expected: &[&str]) {
        wait_for(&format!("{expected:?}"), || (self.phases() == expected).then_some(()));
    }

    /// The processor time it has used.
    pub fn cpu_time(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap();
        // proc_pid_stat(5): fields 14 and 15, of which the second one may hold spaces, in ticks.
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

/// Waits until `look` finds something.
pub fn wait_for<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(Instant::now() < deadline, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}
