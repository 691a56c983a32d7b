//! Device, dtype and thread choice.
