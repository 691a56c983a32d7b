//! Log lines on stderr, as many as `VERNIER_LOG` asks for.

use log::{LevelFilter, Log, Metadata, Record};

struct Stderr;

impl Log for Stderr {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if self.enabled(record.metadata()) {
            eprintln!("{}: {}", record.level(), record.args());
        }
    }

    fn flush(&self) {}
}

/// Installs the logger; `VERNIER_LOG` is off, error, warn (the default), info, debug or trace.
pub(crate) fn install() {
    let level = std::env::var("VERNIER_LOG")
        .ok()
        .and_then(|name| name.parse().ok())
        .unwrap_or(LevelFilter::Warn);
    log::set_max_level(level);
    log::set_logger(&Stderr).ok();
}
