//! What the program says.

use std::io::Write;

use indicatif::{ProgressBar, ProgressStyle};

/// Writes a line to stdout. A closed pipe, as `| head` leaves it, is no reason to stop a training.
pub(super) fn say(line: &str) {
    let mut stdout = std::io::stdout().lock();
    if writeln!(stdout, "{line}").is_ok() {
        let _ = stdout.flush();
    }
}

/// A progress bar on stderr, where that is a terminal.
pub(super) fn progress(total: u64, what: &'static str) -> ProgressBar {
    let template = "{bar:40} {pos}/{len} {msg} {per_sec} {eta}";
    let style = ProgressStyle::with_template(template);
    ProgressBar::new(total)
        .with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_message(what)
}
