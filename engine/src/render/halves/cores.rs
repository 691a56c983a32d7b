//! How the cores are shared between the halves.

/// How many cores this thread's operations use, until it is dropped.
pub(super) struct CoresInUse {
    before: i32,
}

impl CoresInUse {
    pub(super) fn set(cores: i32) -> Self {
        let before = tch::get_num_threads();
        tch::set_num_threads(cores);
        Self { before }
    }
}

impl Drop for CoresInUse {
    fn drop(&mut self) {
        tch::set_num_threads(self.before);
    }
}
