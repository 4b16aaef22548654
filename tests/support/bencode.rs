//! A torrent as MonoTorrent 2.0.7 (Sonarr) and 3.0.2 (Radarr) accept it, read independently of the
//! product's own code.

/// What an arr learns from a `.torrent`.
#[derive(Debug)]
pub struct Torrent {
    /// SHA-1 over the raw bytes of `info`, upper-case hex.
    pub infohash: String,
    pub name: String,
    pub length: u64,
    pub comment: Option<String>,
}

#[derive(Debug)]
enum Item {
    Integer(i64),
    Text(Vec<u8>),
    List,
    /// Keys, values and each value's span in the file.
    Dictionary(Vec<(Vec<u8>, Item, std::ops::Range<usize>)>),
}

/// Reads a torrent under the rules that both versions share; the error says which rule.
pub fn torrent(bytes: &[u8]) -> Result<Torrent, String> {
    let mut at = 0;
    let Item::Dictionary(root) = item(bytes, &mut at)? else {
        return Err("the root is no dictionary".into());
    };
    if !root.windows(2).all(|pair| pair[0].0 < pair[1].0) {
        return Err("root keys are not sorted: MonoTorrent 3 rejects that".into());
    }
    let (info, span) = root
        .iter()
        .find(|(key, ..)| key == b"info")
        .map(|(_, value, span)| (value, span.clone()))
        .ok_or("no info")?;
    let Item::Dictionary(info) = info else {
        return Err("info is no dictionary".into());
    };
    let get = |key: &[u8]| info.iter().find(|(k, ..)| k == key).map(|(_, v, _)| v);
    let Some(Item::Integer(piece_length @ 1..=0x7fff_ffff)) = get(b"piece length") else {
        return Err("no usable piece length".into());
    };
    let Some(Item::Integer(length @ 1..)) = get(b"length") else {
        return Err("no length above 0".into());
    };
    let Some(Item::Text(pieces)) = get(b"pieces") else {
        return Err("no pieces".into());
    };
    if pieces.len() % 20 != 0 || pieces.len() as i64 / 20 != (length - 1) / piece_length + 1 {
        return Err(format!("{} bytes of pieces", pieces.len()));
    }
    let Some(Item::Text(name)) = get(b"name") else {
        return Err("no name".into());
    };
    Ok(Torrent {
        infohash: sha1_smol::Sha1::from(&bytes[span])
            .digest()
            .to_string()
            .to_uppercase(),
        name: String::from_utf8(name.clone()).map_err(|_| "the name is not UTF-8")?,
        length: u64::try_from(*length).unwrap(),
        comment: root
            .iter()
            .find(|(key, ..)| key == b"comment")
            .and_then(|(_, value, _)| match value {
                Item::Text(text) => String::from_utf8(text.clone()).ok(),
                _ => None,
            }),
    })
}

fn item(bytes: &[u8], at: &mut usize) -> Result<Item, String> {
    match bytes.get(*at) {
        Some(b'i') => {
            *at += 1;
            Ok(Item::Integer(number(bytes, at, b'e')?))
        }
        Some(b'0'..=b'9') => {
            let length = usize::try_from(number(bytes, at, b':')?).map_err(|_| "length")?;
            let end = at.checked_add(length).ok_or("length")?;
            let text = bytes.get(*at..end).ok_or("string past the end")?;
            *at = end;
            Ok(Item::Text(text.to_vec()))
        }
        Some(b'l') => {
            *at += 1;
            while bytes.get(*at) != Some(&b'e') {
                item(bytes, at)?;
            }
            *at += 1;
            Ok(Item::List)
        }
        Some(b'd') => {
            *at += 1;
            let mut entries: Vec<(Vec<u8>, Item, std::ops::Range<usize>)> = Vec::new();
            while bytes.get(*at) != Some(&b'e') {
                let Item::Text(key) = item(bytes, at)? else {
                    return Err("a key is no string".into());
                };
                if entries.iter().any(|(known, ..)| *known == key) {
                    return Err("duplicate key".into());
                }
                let start = *at;
                let value = item(bytes, at)?;
                entries.push((key, value, start..*at));
            }
            *at += 1;
            Ok(Item::Dictionary(entries))
        }
        other => Err(format!("unexpected {other:?} at {at}")),
    }
}

fn number(bytes: &[u8], at: &mut usize, end: u8) -> Result<i64, String> {
    let start = *at;
    while *bytes.get(*at).ok_or("number past the end")? != end {
        *at += 1;
    }
    let text = std::str::from_utf8(&bytes[start..*at]).map_err(|_| "number")?;
    *at += 1;
    text.parse().map_err(|_| format!("number {text}"))
}
