//! What must hold for any bytes: the judges that the tests of `tests/protocol` and the targets in `fuzz/` share, so that
//! a rule is written once and a finding of a fuzzer fails the tests too.

pub mod answers;
pub mod begun;
pub mod deflate;
pub mod draw;
pub mod exchange;
pub mod frames;
pub mod heads;
pub mod inflate;
pub mod jwt;
pub mod log;
pub mod mutate;
pub mod received;
