//! What is stored beside an object's bytes: as the SDK's builders take it, and as its answers tell it. Macros, since each
//! operation of the SDK has types of its own for the same fields.

/// A builder with headers and metadata, and with tags where there are any.
macro_rules! with_attributes {
    ($builder:expr, $attributes:expr) => {{
        let attributes: &external_core::storage::ObjectAttributes = $attributes;
        let headers = &attributes.headers;
        $builder
            .set_content_type(headers.content_type.clone())
            .set_cache_control(headers.cache_control.clone())
            .set_content_disposition(headers.content_disposition.clone())
            .set_content_encoding(headers.content_encoding.clone())
            .set_content_language(headers.content_language.clone())
            .set_metadata(super::wire::metadata(&attributes.metadata))
            .set_tagging(super::wire::tagging(&attributes.tags))
    }};
}

/// The `ObjectInfo` that an answer tells. The size of the whole is not always the answer's length.
macro_rules! info {
    ($key:expr, $size:expr, $answer:expr, $versioned:expr) => {{
        let answer = $answer;
        let sum = super::wire::checksum(answer.checksum_crc32_c(), answer.checksum_sha256());
        let foreign = if sum.is_none() { super::verify::foreign_checksum!(answer) } else { None };
        let mut headers = external_core::storage::ContentHeaders::default();
        headers.content_type = answer.content_type;
        headers.cache_control = answer.cache_control;
        headers.content_disposition = answer.content_disposition;
        headers.content_encoding = answer.content_encoding;
        headers.content_language = answer.content_language;
        let mut info =
            external_core::storage::ObjectInfo::new($key.clone(), $size, super::wire::token(answer.e_tag)?)
                .with_headers(headers)
                .with_user_metadata(super::wire::metadata_back(answer.metadata));
        info.version = super::wire::version(answer.version_id, $versioned);
        info.modified = super::wire::time(answer.last_modified);
        info.checksum = sum;
        info.foreign_checksum = foreign;
        info
    }};
}

pub(super) use {info, with_attributes};
