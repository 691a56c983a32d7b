//! `vernier models pull` against a small hub of its own.

#![allow(clippy::unwrap_used, reason = "clippy only knows test functions")]

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use vernier_engine::recipe::sha256_hex;

use crate::formats::write_lora;
use crate::place::{Place, assert_success, stderr, stdout};

const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";
const REPOSITORY: &str = "harbour/dinghy";

/// What the hub has, and what it does.
#[derive(Default)]
struct Shelf {
    files: BTreeMap<String, Vec<u8>>,
    /// Sends half of what is asked for of this file, and hangs up, once.
    hang_up_on: Option<String>,
    /// Sends other bytes than those whose hash it tells.
    damages: Option<String>,
    /// First bytes that were asked for, by file, but for the question after its size.
    asked: Vec<(String, usize)>,
}

/// A hub with one repository, on this machine.
struct Hub {
    address: String,
    shelf: Arc<Mutex<Shelf>>,
}

impl Hub {
    fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let shelf = Arc::new(Mutex::new(Shelf {
            files,
            ..Shelf::default()
        }));
        let on_thread = Arc::clone(&shelf);
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let shelf = Arc::clone(&on_thread);
                // The client may hang up whenever it likes.
                std::thread::spawn(move || drop(serve(stream, &shelf)));
            }
        });
        Self { address, shelf }
    }
}

fn serve(mut stream: TcpStream, shelf: &Mutex<Shelf>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?);
    let (mut request, mut range) = (String::new(), None);
    lines.read_line(&mut request)?;
    loop {
        let mut line = String::new();
        lines.read_line(&mut line)?;
        let line = line.trim().to_lowercase();
        if line.is_empty() {
            break;
        }
        range = line
            .strip_prefix("range: bytes=")
            .map(str::to_owned)
            .or(range);
    }
    let path = request.split(' ').nth(1).unwrap_or_default();
    let mut shelf = shelf.lock().unwrap();
    let name = path.strip_prefix(&format!("/{REPOSITORY}/resolve/{COMMIT}/"));
    let file = name.and_then(|name| Some((name.to_owned(), shelf.files.get(name)?.clone())));
    if path == format!("/api/models/{REPOSITORY}/revision/main") {
        let siblings = shelf
            .files
            .keys()
            .map(|name| serde_json::json!({"rfilename": name}));
        let siblings: Vec<_> = siblings.collect();
        let body = serde_json::json!({"siblings": siblings, "sha": COMMIT}).to_string();
        let length = body.len();
        return write!(
            stream,
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
             Connection: close\r\n\r\n{body}"
        );
    }
    let Some((name, bytes)) = file else {
        let head = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
        return stream.write_all(head.as_bytes());
    };
    let range = range.unwrap_or_else(|| "0-".to_owned());
    let (first, last) = range.split_once('-').unwrap();
    let first: usize = first.parse().unwrap();
    let asks_size = last == "0";
    let end = if asks_size { 1 } else { bytes.len() };
    let etag = sha256_hex(&bytes);
    let mut body = bytes[first..end].to_vec();
    if !asks_size {
        shelf.asked.push((name.clone(), first));
        if shelf.damages.as_ref() == Some(&name) {
            body[0] ^= 1;
        }
    }
    write!(
        stream,
        "HTTP/1.1 206 Partial Content\r\nx-repo-commit: {COMMIT}\r\netag: \"{etag}\"\r\n\
         Content-Range: bytes {first}-{}/{}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        end.max(1) - 1,
        bytes.len(),
        body.len()
    )?;
    if !asks_size && shelf.hang_up_on.as_ref() == Some(&name) {
        shelf.hang_up_on = None;
        body.truncate(body.len() / 2);
    }
    stream.write_all(&body)
}

/// Runs `vernier models pull` with folders of its own for what the user has.
fn pull(place: &Place, endpoint: &str, more: &[&str]) -> Output {
    with_folders(place, endpoint)
        .args(["models", "pull", REPOSITORY])
        .args(more)
        .output()
        .unwrap()
}

fn with_folders(place: &Place, endpoint: &str) -> std::process::Command {
    let mut vernier = place.vernier();
    vernier
        .env("XDG_CONFIG_HOME", place.path("config"))
        .env("XDG_DATA_HOME", place.path("data"))
        .env("HF_HOME", place.path("hub"))
        .env("HF_ENDPOINT", endpoint)
        .env_remove("HF_TOKEN")
        .env_remove("HF_HUB_OFFLINE");
    vernier
}

fn files_below(root: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap().to_string_lossy();
            let mut bytes = Vec::new();
            std::fs::File::open(&path)
                .unwrap()
                .read_to_end(&mut bytes)
                .unwrap();
            files.insert(name.into_owned(), bytes);
        }
    }
    files
}

/// No program listens there.
const NOWHERE: &str = "http://127.0.0.1:9";

#[test]
fn a_model_is_pulled_goes_on_where_it_broke_off_and_works_without_a_network() {
    let place = Place::new();
    let mut files = files_below(&place.model());
    files.insert("README.md".to_owned(), b"A dinghy".to_vec());
    let unet = "unet/diffusion_pytorch_model.safetensors".to_owned();
    assert!(files.contains_key(&unet), "{:?}", files.keys());
    let hub = Hub::new(files.clone());
    hub.shelf.lock().unwrap().hang_up_on = Some(unet.clone());

    let pulled = pull(&place, &hub.address, &[]);
    assert_success(&pulled);
    let model = place.path("data/vernier/models/dinghy");
    assert_eq!(stdout(&pulled).trim(), model.to_string_lossy());
    let got = files_below(&model);
    assert_eq!(got[&unet], files[&unet]);
    assert!(!got.contains_key("README.md"));
    let asked = hub.shelf.lock().unwrap().asked.clone();
    let of_unet: Vec<usize> = asked
        .iter()
        .filter(|(name, _)| *name == unet)
        .map(|(_, first)| *first)
        .collect();
    assert_eq!(of_unet, [0, files[&unet].len() / 2]);

    let render = |model: &str| {
        let args = [
            "render", "--model", model, "--prompt", "a cat", "--steps", "1",
        ];
        with_folders(&place, NOWHERE).args(args).output().unwrap()
    };
    assert_success(&render("dinghy"));

    // All is there: nothing is asked for again, and the Hub need not be there either.
    assert_success(&pull(&place, &hub.address, &[]));
    assert_eq!(hub.shelf.lock().unwrap().asked, asked);
    let offline = with_folders(&place, NOWHERE)
        .env("HF_HUB_OFFLINE", "1")
        .args(["models", "pull", REPOSITORY, "--name", "skiff"])
        .output()
        .unwrap();
    assert_success(&offline);
    assert_success(&render("skiff"));
}

#[test]
fn a_single_file_goes_to_the_folder_of_its_kind() {
    let place = Place::new();
    write_lora(&place, "ink.safetensors");
    let lora = std::fs::read(place.path("ink.safetensors")).unwrap();
    let files = BTreeMap::from([
        ("ink.safetensors".to_owned(), lora),
        ("README.md".to_owned(), b"Ink".to_vec()),
    ]);
    let hub = Hub::new(files);
    // What comes is held against its hash.
    hub.shelf.lock().unwrap().damages = Some("ink.safetensors".to_owned());
    let damaged = pull(&place, &hub.address, &["--name", "fine_ink"]);
    assert_eq!(damaged.status.code(), Some(1));
    assert!(
        stderr(&damaged).contains("was thrown away"),
        "{}",
        stderr(&damaged)
    );
    hub.shelf.lock().unwrap().damages = None;
    assert_success(&pull(&place, &hub.address, &["--name", "fine_ink"]));
    assert_eq!(
        place.names("data/vernier/adapters"),
        ["fine_ink.safetensors"]
    );
    // The artist's own files are left alone.
    let own = place.path("data/vernier/adapters/mine.safetensors");
    std::fs::write(&own, b"mine").unwrap();
    let taken = pull(&place, &hub.address, &["--name", "mine"]);
    assert_eq!(taken.status.code(), Some(2));
    assert_eq!(std::fs::read(own).unwrap(), b"mine");
}

#[test]
fn what_cannot_be_had_is_told() {
    let place = Place::new();
    let hub = Hub::new(BTreeMap::new());
    let none = pull(&place, &hub.address, &[]);
    assert_eq!(none.status.code(), Some(1));
    assert!(stderr(&none).contains("no weights"), "{}", stderr(&none));
    let revision = pull(&place, &hub.address, &["--revision", "old"]);
    assert_eq!(revision.status.code(), Some(1));
    assert!(
        stderr(&revision).contains("no revision old"),
        "{}",
        stderr(&revision)
    );
    let away = pull(&place, NOWHERE, &[]);
    assert_eq!(away.status.code(), Some(1));
    let told = stderr(&away);
    assert!(
        told.contains("cannot be had") && told.contains("--model"),
        "{told}"
    );
    let name = place.run(&["models", "pull", "dinghy"]);
    assert_eq!(name.status.code(), Some(2));
    assert!(stderr(&name).contains("OWNER/NAME"), "{}", stderr(&name));
}
