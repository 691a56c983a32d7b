//! CLIP's text and image towers (arXiv 2103.00020), in the layout of Python transformers.
