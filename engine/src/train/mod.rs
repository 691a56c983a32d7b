//! Optimisers, averages and loops for training.
