//! Reads everything back and compares it with what was given, byte for byte.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use external_core::storage::ObjectKey;
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::accounts::signup::ACCOUNT;
use crate::accounts::{Account, Accounts, Profile};
use crate::mailbox::Mailbox;

/// How many accounts are looked at side by side.
const SIDE_BY_SIDE: usize = 4;
/// How long a mail that was accepted may take to its mailbox.
const PATIENCE: Duration = Duration::from_secs(10);

/// A kind of check and what failed of it.
pub(crate) struct Check {
    /// What was checked, as a sentence that goes on with a number: `portraits are stored as they were given`.
    pub(crate) what: &'static str,
    /// How many were looked at.
    pub(crate) looked_at: usize,
    /// Whose failed, and why.
    pub(crate) failures: Vec<String>,
}

impl Check {
    pub(crate) fn passed(&self) -> bool {
        self.failures.is_empty() && self.looked_at > 0
    }
}

/// Checks all accounts. `kept` are the portraits of registrations that were given up and could not be taken back;
/// `mailbox` is the folder in which the mails arrive.
pub(crate) async fn all(
    accounts: &Accounts,
    registered: &[Account],
    kept: &[ObjectKey],
    mailbox: &Path,
) -> Vec<Check> {
    vec![
        each("records read back", registered, async |account| recorded(accounts, account).await).await,
        each("portraits read back, byte for byte", registered, async |account| {
            stored(accounts, account).await
        })
        .await,
        listing(accounts, registered, kept).await,
        each("links opened by a plain HTTP client", registered, opened).await,
        each("links refused once they were tampered with", registered, tampered).await,
        cached(accounts, registered).await,
        mails(registered, mailbox).await,
    ]
}

async fn each(
    what: &'static str,
    registered: &[Account],
    check: impl AsyncFn(&Account) -> Result<(), String>,
) -> Check {
    let check = &check;
    let results = stream::iter(registered).map(async |account| (account, check(account).await));
    let failures = results.buffered(SIDE_BY_SIDE).filter_map(async |(account, result)| {
        result.err().map(|why| format!("{}: {why}", account.user.name))
    });
    Check { what, looked_at: registered.len(), failures: failures.collect().await }
}

async fn recorded(accounts: &Accounts, account: &Account) -> Result<(), String> {
    match accounts.record(&account.record.email).await.map_err(|error| error.to_string())? {
        Some(record) if record == account.record => Ok(()),
        found => Err(format!("the record is {found:?}")),
    }
}

async fn stored(accounts: &Accounts, account: &Account) -> Result<(), String> {
    let object = accounts.storage.head(&account.key).await.map_err(|error| error.to_string())?;
    let expected = account.user.portrait.format.content_type();
    let kind = object.headers.content_type.as_deref();
    if kind != Some(expected) {
        return Err(format!("the content type is {kind:?} instead of {expected:?}"));
    }
    let number = object.metadata.get(ACCOUNT);
    if number != Some(&account.record.number.to_string()) {
        return Err(format!("the metadata names account {number:?} instead of {}", account.record.number));
    }
    let bytes = accounts.storage.download(&account.key).await.map_err(|error| error.to_string())?;
    same(&bytes, account)
}

/// The folder holds the portraits and nothing else. What a registration that was given up may have left is no stray: it
/// was said.
async fn listing(accounts: &Accounts, registered: &[Account], kept: &[ObjectKey]) -> Check {
    let expected: BTreeSet<String> =
        registered.iter().map(|account| account.key.as_str().to_owned()).collect();
    let kept: BTreeSet<&str> = kept.iter().map(ObjectKey::as_str).collect();
    let listed = accounts.storage.list(accounts.portraits()).map_ok(|entry| entry.key.as_str().to_owned());
    let failures = match listed.try_collect::<BTreeSet<String>>().await {
        Ok(listed) => {
            let missing = expected.difference(&listed).map(|key| format!("{key}: not listed"));
            let strange = listed.difference(&expected).filter(|key| !kept.contains(key.as_str()));
            let strange = strange.map(|key| format!("{key}: listed, but nobody stored it"));
            missing.chain(strange).collect()
        }
        Err(error) => vec![error.to_string()],
    };
    Check { what: "portraits listed, and nothing else", looked_at: expected.len(), failures }
}

/// Opens the link as anybody would: no credentials, no client of ours.
async fn opened(account: &Account) -> Result<(), String> {
    let (status, kind, bytes) = open(&account.profile.portrait).await?;
    if status != 200 {
        return Err(format!("the link answered {status}"));
    }
    let expected = account.user.portrait.format.content_type();
    if kind.as_deref() != Some(expected) {
        return Err(format!("the link answered {kind:?} instead of {expected:?}"));
    }
    same(&bytes, account)
}

/// A link for somebody else's portrait must not open with this signature.
async fn tampered(account: &Account) -> Result<(), String> {
    let (path, query) = account.profile.portrait.split_once('?').ok_or("the link has no signature")?;
    let (status, _, bytes) = open(&format!("{path}x?{query}")).await?;
    if status < 400 || bytes == account.user.portrait.bytes {
        return Err(format!("the changed link answered {status}"));
    }
    Ok(())
}

async fn open(link: &str) -> Result<(u16, Option<String>, Vec<u8>), String> {
    let link = link.to_owned();
    let work = move || {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build();
        let mut answer = config.new_agent().get(&link).call()?;
        let kind =
            answer.headers().get("content-type").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
        let bytes = answer.body_mut().read_to_vec()?;
        Ok::<_, ureq::Error>((answer.status().as_u16(), kind, bytes))
    };
    match tokio::task::spawn_blocking(work).await {
        Ok(answer) => answer.map_err(|error| format!("the link did not open: {error}")),
        Err(error) => Err(error.to_string()),
    }
}

/// All profiles are right, and all came from the cache, but for those that it failed to take.
async fn cached(accounts: &Accounts, registered: &[Account]) -> Check {
    let before = accounts.profiles_made();
    let mut check = each("profiles read from the cache", registered, async |account| {
        let profile = accounts.profile(&account.record.email).await.map_err(|error| error.to_string())?;
        // A profile that is made anew has a link of its own.
        let expected = Profile { portrait: profile.portrait.clone(), ..account.profile.clone() };
        if profile == expected { Ok(()) } else { Err(format!("the profile is {profile:?}")) }
    })
    .await;
    let again = accounts.profiles_made() - before;
    let stats = accounts.cache.stats();
    let count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    let (failed, not_taken) = (count(stats.failed_loads), count(stats.cache_failures));
    if before > registered.len() + failed + not_taken {
        check.failures.push(format!("{} registrations made {before} profiles", registered.len()));
    }
    if again > not_taken {
        check.failures.push(format!("{again} profiles were made anew instead of read from the cache"));
    }
    check
}

async fn mails(registered: &[Account], folder: &Path) -> Check {
    let what = "mails found in the mailbox, each once, with name and portrait";
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        match Mailbox::read(folder) {
            // A server may take a moment between accepting a mail and putting it into its folder.
            Ok(mailbox) if !mailbox.has_all(registered) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Ok(mailbox) => {
                let failures = registered.iter().filter_map(|account| {
                    mailbox.check(account).err().map(|why| format!("{}: {why}", account.user.name))
                });
                return Check { what, looked_at: registered.len(), failures: failures.collect() };
            }
            Err(error) => {
                let failures = vec![format!("the mailbox {} cannot be read: {error}", folder.display())];
                return Check { what, looked_at: registered.len(), failures };
            }
        }
    }
}

fn same(bytes: &[u8], account: &Account) -> Result<(), String> {
    let given = &account.user.portrait.bytes;
    if bytes == given {
        return Ok(());
    }
    let at = bytes
        .iter()
        .zip(given)
        .position(|(one, other)| one != other)
        .unwrap_or_else(|| bytes.len().min(given.len()));
    Err(format!("{} bytes instead of {}, different from byte {at} on", bytes.len(), given.len()))
}
