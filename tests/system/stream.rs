//! Content of any size passes through little memory.

use std::fs::File;
use std::process::Command;

use crate::server::Server;
use crate::tools;

const GIB: u64 = 1 << 30;
/// How much the process may grow over what it was before, in KiB.
const GROWTH_KIB: u64 = 4 * 1024;

#[test]
fn a_gibibyte_is_echoed_through_four_mebibytes() {
    if !tools::all(&["curl", "bash", "cmp"]) {
        return;
    }
    let server = Server::start(&[]);
    let sparse = server.folder.join("sparse");
    File::create(&sparse).unwrap().set_len(GIB).unwrap();
    // The first exchange brings in code and pools that stay.
    server.exchange(b"POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi");
    let before = server.status_of("VmRSS:");
    let script = r#"set -o pipefail; curl -sSf -T "$1" "$2" | cmp - "$1""#;
    let output =
        Command::new("bash").args(["-c", script, "bash"]).arg(&sparse).arg(server.url("/echo")).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // The highest it ever was.
    let growth = server.status_of("VmHWM:").saturating_sub(before);
    assert!(growth < GROWTH_KIB, "{growth} KiB");
}
