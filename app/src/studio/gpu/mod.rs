//! What is drawn by our own shaders.
