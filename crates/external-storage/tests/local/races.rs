//! Writers of one root side by side. Each has a store of its own, which stands to the others as another process's does:
//! they share nothing but the files.

use std::sync::Arc;

use external_storage::{ErrorKind, ObjectKey, Precondition, PutRequest, StorageClient};
use futures_util::TryStreamExt;

use super::client;

const WRITERS: usize = 8;
const ROUNDS: usize = 25;

fn key(text: &str) -> ObjectKey {
    ObjectKey::parse(text).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn one_of_many_creators_wins() {
    let root = tempfile::tempdir().unwrap();
    for round in 0..ROUNDS {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let storage = client(root.path());
                let name = format!("made/{round}");
                tokio::spawn(async move {
                    let put = PutRequest::new(key(&name), format!("writer {writer}"))
                        .with_precondition(Precondition::Absent);
                    match storage.put_with(put).await {
                        Ok(_) => Some(writer),
                        Err(error) if error.kind() == ErrorKind::AlreadyExists => None,
                        Err(error) => panic!("{}", error.report()),
                    }
                })
            })
            .collect();
        let mut winners = Vec::new();
        for writer in writers {
            winners.extend(writer.await.unwrap());
        }
        assert_eq!(winners.len(), 1, "round {round}");
        let made = client(root.path()).download(format!("made/{round}")).await.unwrap();
        assert_eq!(made, format!("writer {}", winners[0]));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn no_compare_and_swap_is_lost() {
    let root = tempfile::tempdir().unwrap();
    client(root.path()).put("counter", "0").await.unwrap();
    let writers: Vec<_> = (0..WRITERS)
        .map(|_| {
            let storage = client(root.path());
            tokio::spawn(async move {
                let mut done = 0;
                while done < ROUNDS {
                    let object = storage.get("counter").await.unwrap();
                    let token = object.info.token.clone();
                    let text = object.body.collect(100).await.unwrap();
                    let number: usize = std::str::from_utf8(&text).unwrap().parse().unwrap();
                    let put = PutRequest::new(key("counter"), (number + 1).to_string())
                        .with_precondition(Precondition::Matches(token));
                    match storage.put_with(put).await {
                        Ok(_) => done += 1,
                        Err(error) if error.kind() == ErrorKind::Conflict => {}
                        Err(error) => panic!("{}", error.report()),
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let counted = client(root.path()).download("counter").await.unwrap();
    assert_eq!(counted, (WRITERS * ROUNDS).to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn objects_and_folders_come_and_go_at_one_path() {
    let root = tempfile::tempdir().unwrap();
    let names = ["a", "a/b", "a/b/c", "a/d"];
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let storage = client(root.path());
            tokio::spawn(async move {
                for round in 0..ROUNDS {
                    let name = names[(writer + round) % names.len()];
                    storage.put(name, name).await.unwrap_or_else(|error| panic!("{}", error.report()));
                    match storage.download(name).await {
                        Ok(read) => assert_eq!(read, name),
                        // Another writer deleted it.
                        Err(error) => assert_eq!(error.kind(), ErrorKind::NotFound, "{}", error.report()),
                    }
                    if round % 3 == writer % 3 {
                        storage.delete(name).await.unwrap_or_else(|error| panic!("{}", error.report()));
                    }
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.unwrap();
    }
    let storage = client(root.path());
    for name in names {
        storage.put(name, name).await.unwrap();
    }
    let listed: Vec<_> = storage.list("").map_ok(|entry| entry.key.to_string()).try_collect().await.unwrap();
    assert_eq!(listed, names);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_sees_one_write_whole_with_its_own_metadata() {
    for place in [external_storage::MetadataPlace::WithFile, external_storage::MetadataPlace::Sidecar] {
        let root = tempfile::tempdir().unwrap();
        let open = || {
            let config = external_storage::LocalConfig::new(root.path())
                .without_durability()
                .with_metadata_place(place);
            StorageClient::over(super::store_of(config))
        };
        let put = |storage: StorageClient, number: usize| async move {
            let body = vec![u8::try_from(number % 250).unwrap(); 1000 + number];
            let put = PutRequest::new(key("k"), body).with_user_metadata("number", number.to_string());
            storage.put_with(put).await.unwrap();
        };
        put(open(), 0).await;
        let writing = Arc::new(std::sync::atomic::AtomicBool::new(true));
        let writers: Vec<_> = (0..3)
            .map(|writer| {
                let storage = open();
                tokio::spawn(async move {
                    for round in 0..100 {
                        put(storage.clone(), writer + 3 * round).await;
                    }
                })
            })
            .collect();
        let reader = {
            let (storage, writing) = (open(), writing.clone());
            tokio::spawn(async move {
                while writing.load(std::sync::atomic::Ordering::SeqCst) {
                    let object = storage.get("k").await.unwrap_or_else(|error| panic!("{}", error.report()));
                    let number: usize = object.info.metadata["number"].parse().unwrap();
                    let body = object.body.collect(10_000).await.unwrap();
                    assert_eq!(body.len(), 1000 + number);
                    assert!(body.iter().all(|byte| usize::from(*byte) == number % 250));
                }
            })
        };
        for writer in writers {
            writer.await.unwrap();
        }
        writing.store(false, std::sync::atomic::Ordering::SeqCst);
        reader.await.unwrap();
    }
}
