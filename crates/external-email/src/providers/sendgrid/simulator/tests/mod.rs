//! The simulator beside the vendor, and the provider with all its ends behind it.

mod judgement;
mod mails;
mod webhooks;
