//! One registration: record, portrait, profile, mail.
//!
//! It can be tried again at any time: what is done is not done again, and what may have been done is looked up first.
//! The pipeline repeats what can be repeated safely; what it must not repeat (a create-only write or a mail whose answer
//! was lost) is reconciled here.

use external_core::email::MessageId;
use external_core::storage::{ObjectKey, Precondition, PutRequest};
use external_core::{Effect, Error, ErrorKind, Result, Retry};

use super::journal::Event;
use super::{Account, Accounts, Record};
use crate::input::Registration;

/// The pairs of an object's metadata that name its account and its registration.
pub(crate) const ACCOUNT: &str = "account";
const REGISTRATION: &str = "registration";

/// A registration on its way.
pub(crate) struct Signup {
    pub(crate) user: Registration,
    record: Record,
    key: ObjectKey,
    recorded: Step,
    stored: Step,
    mailed: Step,
}

/// How far a step has come that must not be done twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Not done.
    Open,
    /// The answer was lost.
    Unknown,
    Done,
}

impl Signup {
    /// Whether trying again after this error is of use. What may have been done has to be looked up in any case.
    pub(crate) fn may_go_on(&self, error: &Error) -> bool {
        error.retry() != Retry::Never || self.is_unknown()
    }

    /// Whether something may have been done, and nobody knows yet.
    pub(crate) fn is_unknown(&self) -> bool {
        [self.recorded, self.stored, self.mailed].contains(&Step::Unknown)
    }

    /// The key of the portrait, if it was stored or may have been.
    pub(crate) fn portrait(&self) -> Option<&ObjectKey> {
        (self.stored != Step::Open).then_some(&self.key)
    }
}

impl Accounts {
    /// Begins a registration: nothing is done yet, but its identity is fixed.
    ///
    /// # Errors
    ///
    /// `InvalidArgument` if the name makes no key.
    pub(crate) fn begin(&self, user: Registration) -> Result<Signup> {
        let key = self.portrait_key(&user)?;
        let mut random = [0; 16];
        self.context.random(&mut random);
        let (width, height) = user.portrait.size;
        let record = Record {
            number: user.line,
            name: user.name.clone(),
            email: user.email.to_string(),
            locale: user.locale.clone(),
            portrait: key.as_str().to_owned(),
            width,
            height,
            message_id: MessageId::new(random, &"accounts@accounts.example".parse()?).as_str().to_owned(),
        };
        Ok(Signup { user, record, key, recorded: Step::Open, stored: Step::Open, mailed: Step::Open })
    }

    /// Takes a registration to its end, from wherever it is. The mail goes last, since it cannot be taken back.
    ///
    /// # Errors
    ///
    /// That of the call that failed; [`Signup::may_go_on`] says whether to call this again.
    pub(crate) async fn go_on(&self, signup: &mut Signup) -> Result<Account> {
        self.write_record(signup).await?;
        self.store_portrait(signup).await?;
        let profile = self.profile(&signup.record.email).await?;
        self.send_welcome(signup).await?;
        let Signup { user, record, key, .. } = &*signup;
        Ok(Account { user: user.clone(), record: record.clone(), profile, key: key.clone() })
    }

    /// Takes back what was done, if it is certain that no mail has left: whoever may have got the mail must find the
    /// account that it speaks of. What is in the way of it is said here, and in the call log.
    pub(crate) async fn give_up(&self, signup: &mut Signup) {
        if signup.mailed != Step::Open {
            return;
        }
        let email = &signup.record.email;
        // Only what is certainly ours.
        if signup.stored == Step::Done {
            match self.storage.delete(&signup.key).await {
                Ok(_) => signup.stored = Step::Open,
                Err(error) => println!("          {}: could not be undone: {error}", signup.user.name),
            }
        }
        if signup.recorded == Step::Done {
            let keys = [self.profile_key(email), self.record_key(email)];
            match self.cache.delete_many(&keys).await {
                Ok(()) => signup.recorded = Step::Open,
                Err(error) => println!("          {}: could not be undone: {error}", signup.user.name),
            }
        }
    }

    /// Claims the address: written only if nobody has it.
    async fn write_record(&self, signup: &mut Signup) -> Result<()> {
        let Signup { user, record, recorded, .. } = signup;
        if *recorded == Step::Unknown {
            let is_there = self.record(&record.email).await?.as_ref() == Some(record);
            let how = if is_there { "the record is there, and is ours" } else { "our record is not there" };
            *recorded = self.reconciled(user, "cache", is_there, how);
        }
        if *recorded == Step::Open {
            let key = self.record_key(&record.email);
            let written = self.cache.set_if_absent(key, &*record, None).await;
            if !self.note(user, "record", recorded, written)? {
                *recorded = Step::Open;
                // A write that was given up as lost may have come late.
                if self.record(&record.email).await?.as_ref() != Some(record) {
                    return Err(Error::already_exists("somebody has an account under this address"));
                }
                *recorded = Step::Done;
            }
        }
        Ok(())
    }

    /// Stores the portrait: written only if there is no such object.
    async fn store_portrait(&self, signup: &mut Signup) -> Result<()> {
        if signup.stored == Step::Unknown {
            let is_there = self.finds_portrait(signup).await?;
            let how =
                if is_there { "the portrait is there, and is ours" } else { "our portrait is not there" };
            signup.stored = self.reconciled(&signup.user, "storage", is_there, how);
        }
        if signup.stored == Step::Open {
            let stored = self.storage.put_with(portrait(signup, Precondition::Absent)).await;
            let stored = self.note(&signup.user, "portrait", &mut signup.stored, stored);
            match stored {
                // As above: a write of ours that came late.
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {
                    match self.finds_portrait(signup).await? {
                        true => signup.stored = Step::Done,
                        false => return Err(error),
                    }
                }
                stored => stored.map(drop)?,
            }
        }
        Ok(())
    }

    /// Whether the object at the portrait's key was stored by this registration.
    async fn finds_portrait(&self, signup: &Signup) -> Result<bool> {
        let object = match self.storage.head(&signup.key).await {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
            object => object?,
        };
        if object.metadata.get(REGISTRATION) == Some(&signup.record.message_id) {
            return Ok(true);
        }
        // A store that died in the middle may have kept our bytes, or their beginning, without what belongs to them.
        let is_torn = signup.stored == Step::Unknown
            && object.metadata.is_empty()
            && signup.user.portrait.bytes.starts_with(&self.storage.download(&signup.key).await?);
        if is_torn {
            self.storage.put_with(portrait(signup, Precondition::Matches(object.token))).await?;
        }
        Ok(is_torn)
    }

    /// Sends the mail, once. If the answer was lost, the mailbox says whether it has left.
    async fn send_welcome(&self, signup: &mut Signup) -> Result<()> {
        if signup.mailed == Step::Unknown {
            let has_arrived = self.has_arrived(&signup.record.message_id).await?;
            let how = match has_arrived {
                true => "the mail is in the mailbox, by its Message-ID; not sent again",
                false => "the mail is certainly not in the mailbox; sent again",
            };
            signup.mailed = self.reconciled(&signup.user, "email", has_arrived, how);
        }
        if signup.mailed == Step::Open {
            let sent = self.welcome(&signup.user, &signup.record).await;
            self.note(&signup.user, "mail", &mut signup.mailed, sent)?;
        }
        Ok(())
    }

    /// What may have been done is known now.
    fn reconciled(&self, user: &Registration, domain: &'static str, is_done: bool, how: &str) -> Step {
        let (event, step) = match is_done {
            true => (Event::FoundDone, Step::Done),
            false => (Event::FoundUndone, Step::Open),
        };
        self.journal.reconciled(&user.name, domain, event, how);
        step
    }

    /// Notes how a step ended that must not be done twice.
    fn note<T>(&self, user: &Registration, what: &str, step: &mut Step, result: Result<T>) -> Result<T> {
        match &result {
            Ok(_) => *step = Step::Done,
            Err(error) if error.effect() == Effect::MaybeApplied => {
                *step = Step::Unknown;
                self.journal.unknown(&user.name, what, error);
            }
            Err(_) => {}
        }
        result
    }
}

/// The request that stores the portrait with all that belongs to it.
fn portrait(signup: &Signup, precondition: Precondition) -> PutRequest {
    let portrait = &signup.user.portrait;
    PutRequest::new(signup.key.clone(), portrait.bytes.clone())
        .with_content_type(portrait.format.content_type())
        .with_user_metadata(ACCOUNT, signup.record.number.to_string())
        .with_user_metadata(REGISTRATION, &signup.record.message_id)
        .with_precondition(precondition)
}
