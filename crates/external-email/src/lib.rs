//! E-mail through one client: templates, one outcome per recipient, no mail sent twice.
