//! TLS settings and dialling for TCP protocols: what fails before the first byte is known not to be sent.
