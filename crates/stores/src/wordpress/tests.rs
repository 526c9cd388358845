//! Places and errors of the URL.
