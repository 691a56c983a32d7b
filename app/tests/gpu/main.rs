//! Each shader on a real device without a window, compared with its CPU twin.

mod canvas;
mod stage;
mod twin;
