//! The portraits, as files in the store's folder: both `local` and s3s-fs keep an object as a plain file at its key.

use std::fs;
use std::path::Path;

use crate::users::User;
use crate::{Owner, folder};

/// Whose each object is: told by its bytes and by the number that its name begins with.
pub(crate) fn count(objects: &Path, users: &[User]) -> Result<Vec<Owner>, String> {
    let files = folder::files(objects)?;
    files.iter().map(|file| owner(file, users)).collect()
}

fn owner(file: &Path, users: &[User]) -> Result<Owner, String> {
    let bytes = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
    let name = file.file_name().unwrap_or_default().to_string_lossy();
    let number = name.split(' ').next().and_then(|number| number.parse::<usize>().ok());
    let user = number.and_then(|number| number.checked_sub(1)).filter(|user| *user < users.len());
    Ok(match user {
        Some(user) if users[user].portrait == bytes => Ok(user),
        Some(user) => Err(format!("{}: is not the portrait of {}", file.display(), users[user].name)),
        None => Err(format!("{}: is nobody's", file.display())),
    })
}
