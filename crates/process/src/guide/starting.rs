//! How worker processes are started: in programs, examples, doctests, tests and libraries.
