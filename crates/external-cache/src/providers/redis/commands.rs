//! The commands: how a request becomes bytes, and an answer becomes a result. No I/O.

use ::redis::{Cmd, Value, cmd};
use bytes::Bytes;
use external_core::Result;
use external_core::cache::{
    AcquireRequest, CacheEntry, CacheKey, CompareAndSwapRequest, LockAttempt, LockLease, ReleaseRequest,
    RenewRequest, SetCondition, SetRequest, SwapOutcome, TimeToLive, Ttl,
};
use std::time::Duration;

use super::error::malformed;

/// Compares bytes, then sets: one step on the server. The script travels with every call (`EVAL`), so that there
/// is nothing the server could have forgotten; it keeps the compiled form by itself.
/// <https://redis.io/docs/latest/commands/eval/>
const COMPARE_AND_SWAP: &str = "\
local present = redis.call('GET', KEYS[1])
if not present then return -1 end
if present ~= ARGV[1] then return 0 end
if ARGV[3] == '' then redis.call('SET', KEYS[1], ARGV[2])
else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1";

/// The fencing number is the greater of the last one plus one and the server's clock in microseconds: it grows
/// even if the server lost its data. One counter serves all locks of a namespace, so it never has to expire.
const ACQUIRE: &str = "\
if redis.call('EXISTS', KEYS[1]) == 1 then return {'', redis.call('PTTL', KEYS[1])} end
local now = redis.call('TIME')
local last = tonumber(redis.call('GET', KEYS[2]) or '0')
local fencing = string.format('%.0f', math.max(last + 1, now[1] * 1000000 + now[2]))
redis.call('SET', KEYS[2], fencing)
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return {fencing, 0}";

const RENEW: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 0";

const RELEASE: &str = "\
if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0";

/// How keys and locks are named on the server.
///
/// Keys are `<namespace>:<key>`. Locks hold a control character, which no key can: they never meet a value.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
}

impl Names {
    pub(super) fn new(prefix: String) -> Self {
        Self { prefix }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.prefix
    }

    pub(super) fn key(&self, key: &CacheKey) -> Vec<u8> {
        [self.prefix.as_bytes(), key.as_str().as_bytes()].concat()
    }

    fn lock(&self, name: &CacheKey) -> Vec<u8> {
        [self.prefix.as_bytes(), b"\x1flock\x1f", name.as_str().as_bytes()].concat()
    }

    fn fencing(&self) -> Vec<u8> {
        [self.prefix.as_bytes(), b"\x1ffencing"].concat()
    }

    /// The key of a server-side name; `None` for a lock or a foreign name.
    pub(super) fn parse(&self, name: &[u8]) -> Option<CacheKey> {
        let key = std::str::from_utf8(name).ok()?.strip_prefix(&self.prefix)?;
        CacheKey::parse(key).ok()
    }

    /// <https://redis.io/docs/latest/commands/set/>
    pub(super) fn set(&self, request: &SetRequest) -> Cmd {
        let mut command = self.plain_set(&request.key, &request.value, request.ttl);
        match request.condition {
            SetCondition::Always => {}
            SetCondition::IfAbsent => {
                command.arg("NX");
            }
            SetCondition::IfPresent => {
                command.arg("XX");
            }
        }
        command
    }

    pub(super) fn plain_set(&self, key: &CacheKey, value: &Bytes, ttl: Option<Ttl>) -> Cmd {
        let mut command = cmd("SET");
        command.arg(self.key(key)).arg(&value[..]);
        if let Some(ttl) = ttl {
            command.arg("PX").arg(ttl.as_millis_ceil());
        }
        command
    }

    /// `name` with the key as its only argument.
    pub(super) fn on_key(&self, name: &str, key: &CacheKey) -> Cmd {
        let key = self.key(key);
        let mut command = Cmd::with_capacity(2, name.len() + key.len());
        command.arg(name).arg(key);
        command
    }

    pub(super) fn compare_and_swap(&self, request: &CompareAndSwapRequest, read: &Bytes) -> Cmd {
        let ttl = request.ttl.map(|ttl| ttl.as_millis_ceil().to_string()).unwrap_or_default();
        let mut command = cmd("EVAL");
        command
            .arg(COMPARE_AND_SWAP)
            .arg(1)
            .arg(self.key(&request.key))
            .arg(&read[..])
            .arg(&request.value[..])
            .arg(ttl);
        command
    }

    pub(super) fn acquire(&self, request: &AcquireRequest) -> Cmd {
        let mut command = cmd("EVAL");
        command
            .arg(ACQUIRE)
            .arg(2)
            .arg(self.lock(&request.name))
            .arg(self.fencing())
            .arg(request.owner.as_str())
            .arg(request.ttl.as_millis_ceil());
        command
    }

    pub(super) fn renew(&self, request: &RenewRequest) -> Cmd {
        let mut command = cmd("EVAL");
        command
            .arg(RENEW)
            .arg(1)
            .arg(self.lock(&request.name))
            .arg(request.owner.as_str())
            .arg(request.ttl.as_millis_ceil());
        command
    }

    pub(super) fn release(&self, request: &ReleaseRequest) -> Cmd {
        let mut command = cmd("EVAL");
        command.arg(RELEASE).arg(1).arg(self.lock(&request.name)).arg(request.owner.as_str());
        command
    }
}

/// A value, or none. The token is the value itself: it costs nothing, and comparing bytes is exact.
pub(super) fn entry(answer: Value) -> Result<Option<CacheEntry>> {
    match answer {
        Value::Nil => Ok(None),
        Value::BulkString(bytes) => Ok(Some(CacheEntry::of_bytes(bytes.into()))),
        _ => Err(malformed()),
    }
}

pub(super) fn integer(answer: &Value) -> Result<i64> {
    match answer {
        Value::Int(number) => Ok(*number),
        _ => Err(malformed()),
    }
}

/// Whether a conditional command did something: `OK` or nil.
pub(super) fn done(answer: &Value) -> Result<bool> {
    match answer {
        Value::Okay => Ok(true),
        Value::Nil => Ok(false),
        _ => Err(malformed()),
    }
}

/// <https://redis.io/docs/latest/commands/pttl/>
pub(super) fn time_to_live(answer: &Value) -> Result<TimeToLive> {
    match integer(answer)? {
        -2 => Ok(TimeToLive::Missing),
        -1 => Ok(TimeToLive::Unlimited),
        // Less than a millisecond is left: still there.
        millis => Ok(TimeToLive::Remaining(Duration::from_millis(u64::try_from(millis).unwrap_or(0).max(1)))),
    }
}

pub(super) fn swap_outcome(answer: &Value) -> Result<SwapOutcome> {
    match integer(answer)? {
        1 => Ok(SwapOutcome::Swapped),
        0 => Ok(SwapOutcome::Changed),
        -1 => Ok(SwapOutcome::Missing),
        _ => Err(malformed()),
    }
}

pub(super) fn lock_attempt(answer: Value) -> Result<LockAttempt> {
    let Value::Array(parts) = answer else {
        return Err(malformed());
    };
    let Ok([Value::BulkString(fencing), Value::Int(remaining)]) = <[Value; 2]>::try_from(parts) else {
        return Err(malformed());
    };
    if fencing.is_empty() {
        let remaining = u64::try_from(remaining).ok().map(Duration::from_millis);
        return Ok(LockAttempt::Held { remaining });
    }
    let fencing =
        std::str::from_utf8(&fencing).ok().and_then(|text| text.parse().ok()).ok_or_else(malformed)?;
    Ok(LockAttempt::Acquired(LockLease::new(fencing)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locks_and_values_never_meet() {
        let names = Names::new("app:".into());
        let key = CacheKey::parse("a").unwrap();
        assert_eq!(names.parse(&names.key(&key)), Some(key.clone()));
        assert_eq!(names.parse(&names.lock(&key)), None);
        assert_eq!(names.parse(&names.fencing()), None);
        assert_eq!(names.parse(b"other:a"), None);
    }

    #[test]
    fn odd_answers_are_corrupt_not_a_panic() {
        for answer in [Value::Int(7), Value::Array(vec![]), Value::Array(vec![Value::Nil, Value::Nil])] {
            assert!(lock_attempt(answer.clone()).is_err());
            assert!(entry(answer.clone()).is_err());
            assert!(done(&answer).is_err());
        }
        assert!(integer(&Value::Nil).is_err());
        assert!(swap_outcome(&Value::Int(9)).is_err());
        assert_eq!(time_to_live(&Value::Int(0)).unwrap(), TimeToLive::Remaining(Duration::from_millis(1)));
    }
}
