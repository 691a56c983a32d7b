//! How far a download is: a bar on a terminal, else a line now and then.

use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use hf_hub::api::Progress;
use indicatif::{ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal.
const LINES_EVERY: Duration = Duration::from_secs(15);

/// The progress of one file among several.
pub(super) struct DownloadProgress {
    /// `2 of 12`, as numbers.
    place: (usize, usize),
    bar: Option<ProgressBar>,
    name: String,
    bytes: usize,
    all_bytes: usize,
    last_line: Instant,
}

impl DownloadProgress {
    pub(super) fn new(place: (usize, usize)) -> Self {
        let bar = std::io::stderr().is_terminal().then(|| {
            let bar = ProgressBar::no_length();
            let template = "{bar:20} {msg}, {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left";
            // The template is a constant; were it ever wrong, the plain style would show.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar
        });
        Self {
            place,
            bar,
            name: String::new(),
            bytes: 0,
            all_bytes: 0,
            last_line: Instant::now(),
        }
    }

    fn line(&self) {
        let (number, all) = self.place;
        let megabytes = |bytes: usize| bytes as f64 / 1e6;
        eprintln!(
            "{} ({number} of {all}): {:.1} of {:.1} MB",
            self.name,
            megabytes(self.bytes),
            megabytes(self.all_bytes)
        );
    }
}

impl Progress for DownloadProgress {
    /// Called again where a download is taken up again.
    fn init(&mut self, size: usize, filename: &str) {
        filename.clone_into(&mut self.name);
        (self.bytes, self.all_bytes) = (0, size);
        if let Some(bar) = &self.bar {
            let (number, all) = self.place;
            bar.set_length(size as u64);
            bar.set_position(0);
            bar.set_message(format!("{filename} ({number} of {all})"));
        }
    }

    fn update(&mut self, size: usize) {
        self.bytes += size;
        match &self.bar {
            Some(bar) => bar.set_position(self.bytes as u64),
            None if self.last_line.elapsed() >= LINES_EVERY => {
                self.line();
                self.last_line = Instant::now();
            }
            None => {}
        }
    }

    fn finish(&mut self) {
        match &self.bar {
            Some(bar) => bar.finish_and_clear(),
            None => self.line(),
        }
    }
}
