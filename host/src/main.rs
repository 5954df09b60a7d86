//! The `vespid` command.

fn main() {}
