//! What a contestant does in its turn: puts, gets, uploads, downloads.
//!
//! No key is written twice, since a server has more to do where an object is already. What a turn wrote of a megabyte or
//! more is taken away before the next one. Smaller objects stay until the end: they need little of the disk, and the
//! server would go on for long with taking thousands of them away.

use std::cell::Cell;
use std::time::Instant;

use bytes::Bytes;
use external_bench::{Contestant, Options, per_second};
use tokio::runtime::Runtime;

use crate::bucket::Bucket;
use crate::source::Pattern;
use crate::stores::Store;

pub(crate) const MIB: usize = 1 << 20;
/// How many callers work side by side.
pub(crate) const CALLERS: usize = 4;
/// How many of the many small objects are written at a time.
pub(crate) const AT_A_TIME: usize = 32;

/// Turns of the contestants, each told by its name.
pub(crate) struct Turns<'a> {
    pub(crate) runtime: &'a Runtime,
    options: &'a Options,
    bucket: Option<&'a Bucket>,
    folders: Cell<u32>,
}

impl<'a> Turns<'a> {
    /// Without a bucket everything stays.
    pub(crate) fn new(runtime: &'a Runtime, options: &'a Options, bucket: Option<&'a Bucket>) -> Self {
        Self { runtime, options, bucket, folders: Cell::new(0) }
    }

    /// Writes an object that is there for reading and answers its key.
    ///
    /// # Errors
    ///
    /// The contestant's own.
    pub(crate) fn given(&self, name: &str, store: &Store, size: usize) -> Result<String, String> {
        let key = format!("{}given", self.folder(name));
        let written = self.runtime.block_on(store.upload(&key, Pattern::new(size as u64)));
        written.map(|()| key).map_err(|error| format!("{name}: {error}"))
    }

    /// Gets of one object by one caller: how many a second.
    pub(crate) fn get<'b>(
        &'b self,
        name: &str,
        store: &'b Store,
        key: String,
        size: usize,
    ) -> Contestant<'b> {
        Contestant::new(name, move || self.gets(store, &key, size, 1))
    }

    /// Gets of one object by several callers: megabytes a second.
    pub(crate) fn get_side_by_side<'b>(
        &'b self,
        name: &str,
        store: &'b Store,
        key: String,
        size: usize,
    ) -> Contestant<'b> {
        Contestant::new(name, move || self.gets(store, &key, size, CALLERS) * size as f64 / 1e6)
    }

    fn gets(&self, store: &Store, key: &str, size: usize, callers: usize) -> f64 {
        per_second(self.runtime, callers, self.options.slice() * 2, |_, until| {
            let (store, key) = (store.clone(), key.to_owned());
            async move {
                let mut gets = 0;
                while until.goes_on() {
                    assert_eq!(store.get(&key).await.expect("an object"), size as u64);
                    gets += 1;
                }
                gets
            }
        })
    }

    /// Puts by several callers: megabytes a second.
    pub(crate) fn put_side_by_side<'b>(
        &'b self,
        name: &'b str,
        store: &'b Store,
        size: usize,
    ) -> Contestant<'b> {
        let body = body(size);
        Contestant::new(name, move || {
            let folder = self.folder(name);
            let puts = per_second(self.runtime, CALLERS, self.options.slice() * 4, |caller, until| {
                let (store, folder, body) = (store.clone(), folder.clone(), body.clone());
                async move {
                    let mut puts = 0;
                    while until.goes_on() {
                        store.put(&format!("{folder}{caller}-{puts}"), body.clone()).await.expect("stored");
                        puts += 1;
                    }
                    puts
                }
            });
            self.clear(&folder, size);
            puts * size as f64 / 1e6
        })
    }

    /// Puts of so many objects of 1 KiB: how many a second.
    pub(crate) fn put_many<'b>(&'b self, name: &'b str, store: &'b Store, count: usize) -> Contestant<'b> {
        let body = body(1024);
        Contestant::new(name, move || {
            let folder = self.folder(name);
            self.runtime.block_on(async {
                let start = Instant::now();
                let mut running = tokio::task::JoinSet::new();
                for at in 0..count {
                    if running.len() == AT_A_TIME {
                        running.join_next().await.expect("one runs").expect("stored");
                    }
                    let (store, key, body) = (store.clone(), format!("{folder}{at:05}"), body.clone());
                    running.spawn(async move { store.put(&key, body).await.expect("stored") });
                }
                running.join_all().await;
                count as f64 / start.elapsed().as_secs_f64()
            })
        })
    }

    /// Milliseconds that an upload of this size takes.
    pub(crate) fn upload<'b>(&'b self, name: &'b str, store: &'b Store, size: usize) -> Contestant<'b> {
        Contestant::new(name, move || {
            let folder = self.folder(name);
            let taken = self.milliseconds(async |number| {
                let source = Pattern::new(size as u64);
                store.upload(&format!("{folder}{number}"), source).await.expect("stored");
            });
            self.clear(&folder, size);
            taken
        })
    }

    /// Milliseconds that a download of an object takes.
    pub(crate) fn download<'b>(
        &'b self,
        name: &str,
        store: &'b Store,
        key: String,
        size: usize,
    ) -> Contestant<'b> {
        Contestant::new(name, move || {
            self.milliseconds(async |_| {
                assert_eq!(store.get(&key).await.expect("an object"), size as u64);
            })
        })
    }

    /// How long one transfer takes, by as many as there is time for.
    fn milliseconds(&self, transfer: impl AsyncFn(u32)) -> f64 {
        self.runtime.block_on(async {
            let (start, mut transfers) = (Instant::now(), 0_u32);
            while start.elapsed() < self.options.slice() {
                transfer(transfers).await;
                transfers += 1;
            }
            start.elapsed().as_secs_f64() * 1e3 / f64::from(transfers)
        })
    }

    /// One where nothing is yet.
    fn folder(&self, name: &str) -> String {
        self.folders.set(self.folders.get() + 1);
        format!("bench/{}/{}/", name.replace(' ', "-"), self.folders.get())
    }

    fn clear(&self, folder: &str, size: usize) {
        if let Some(bucket) = self.bucket.filter(|_| size >= MIB) {
            self.runtime.block_on(bucket.clear(folder)).expect("what was written is taken away");
        }
    }
}

fn body(size: usize) -> Bytes {
    let mut body = vec![0; size];
    for (at, byte) in body.iter_mut().enumerate() {
        *byte = (at % 251) as u8;
    }
    body.into()
}
