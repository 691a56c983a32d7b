//! The autoencoder (`AutoencoderKL`).
