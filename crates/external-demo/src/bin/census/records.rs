//! The records in Redis, read over a plain socket.
//! <https://redis.io/docs/latest/develop/reference/protocol-spec/>

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde::Deserialize;

use crate::Owner;
use crate::users::User;

/// What a record says of its user.
#[derive(Deserialize)]
struct Record {
    name: String,
    email: String,
}

/// Whose each record is. Profiles, which are made of records at any time, are left alone; any other key is a stray.
pub(crate) fn count(address: &str, users: &[User]) -> Result<Vec<Owner>, String> {
    let failed = |error: io::Error| format!("Redis at {address}: {error}");
    let mut redis = Redis::connect(address).map_err(failed)?;
    let mut owners = Vec::new();
    for key in redis.keys().map_err(failed)? {
        let mut parts = key.splitn(3, ':');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(_), Some("profile"), Some(_)) => {}
            (Some(_), Some("account"), Some(email)) => {
                let value = redis.get(&key).map_err(failed)?;
                owners.push(owner(&key, email, &value, users));
            }
            _ => owners.push(Err(format!("{key}: is nobody's"))),
        }
    }
    Ok(owners)
}

/// The record of the key's address, which must say so itself.
fn owner(key: &str, email: &str, value: &[u8], users: &[User]) -> Owner {
    // The client that wrote it puts a few bytes of its own before the JSON.
    let start = value.iter().position(|byte| *byte == b'{').unwrap_or(value.len());
    let record: Record =
        serde_json::from_slice(&value[start..]).map_err(|error| format!("{key}: is no record: {error}"))?;
    let user = users.iter().position(|user| user.email == email && user.email == record.email);
    user.filter(|user| users[*user].name == record.name).ok_or_else(|| format!("{key}: is nobody's"))
}

/// A connection.
struct Redis(BufReader<TcpStream>);

impl Redis {
    fn connect(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        Ok(Self(BufReader::new(stream)))
    }

    fn keys(&mut self) -> io::Result<Vec<String>> {
        self.ask(&["KEYS", "*"])?;
        let count = self.head('*')?;
        (0..count)
            .map(|_| self.bulk().and_then(|key| String::from_utf8(key).map_err(io::Error::other)))
            .collect()
    }

    fn get(&mut self, key: &str) -> io::Result<Vec<u8>> {
        self.ask(&["GET", key])?;
        self.bulk()
    }

    fn ask(&mut self, words: &[&str]) -> io::Result<()> {
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        self.0.get_mut().write_all(request.as_bytes())
    }

    fn bulk(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; self.head('$')? + 2];
        self.0.read_exact(&mut bytes)?;
        bytes.truncate(bytes.len() - 2);
        Ok(bytes)
    }

    /// The number in a line that begins with this sign.
    fn head(&mut self, sign: char) -> io::Result<usize> {
        let mut line = String::new();
        self.0.read_line(&mut line)?;
        let number = line.strip_prefix(sign).and_then(|number| number.trim_end().parse().ok());
        number.ok_or_else(|| io::Error::other(format!("answered {:?}", line.trim_end())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_its_users_only_if_key_and_content_say_so() {
        let users = [User { name: "Ada".into(), email: "ada@example.com".into(), portrait: Vec::new() }];
        let value = b"\x01j{\"name\": \"Ada\", \"email\": \"ada@example.com\", \"number\": 1}";
        assert_eq!(owner("k", "ada@example.com", value, &users), Ok(0));
        assert!(owner("k", "bob@example.com", value, &users).is_err());
        assert!(owner("k", "ada@example.com", b"\x01j{\"name\": \"Ada\"", &users).is_err());
        assert!(owner("k", "ada@example.com", b"", &users).is_err());
    }
}
