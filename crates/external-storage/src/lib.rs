//! Object storage through one client: many providers, streaming multipart upload, typed errors.
