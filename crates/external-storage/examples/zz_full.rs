use external_storage::*;
#[tokio::main]
async fn main() -> Result<()> {
    let s = StorageClient::from_provider(LocalConfig::new("/tmp/fulltest").build(&BuildContext::default())?);
    s.put("k", "old").await?;
    let e = s.put("k", vec![1u8; 4 << 20]).await.unwrap_err();
    println!("{} | {:?} {:?}", e.report(), e.kind(), e.effect());
    println!("{:?}", s.download("k").await?);
    let e = s
        .upload_with(
            tokio::io::AsyncReadExt::take(tokio::io::repeat(1), 40 << 20),
            UploadRequest::new("k".parse()?),
        )
        .await
        .unwrap_err();
    println!("{} | {:?} {:?}", e.report(), e.kind(), e.effect());
    println!("{:?}", s.download("k").await?);
    Ok(())
}
