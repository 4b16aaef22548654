//! Start and stop: several addresses, a port in use, what a stop finishes and what it cuts.

use std::io::Read;
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jackdaw::http::{Server, Settings};

use super::client::*;
use super::world::*;

#[test]
fn several_addresses_and_a_port_in_use() {
    let world = World::with(|settings| {
        settings.listen.push("127.0.0.1:0".parse().unwrap());
    });
    let addresses = world.server.addresses();
    assert_eq!(addresses.len(), 2);
    for address in addresses {
        assert_eq!(Client::connect(*address).ask(&get("/ping")).status, 200);
    }
    let settings = Settings {
        listen: vec![world.address],
        ..Settings::default()
    };
    let error = Server::start(settings, ROUTES, Arc::clone(&world.state), identify).err();
    let error = error.unwrap();
    assert!(error.contains(&world.address.to_string()), "{error}");
}

#[test]
fn stop_finishes_short_requests_and_cuts_long_transfers() {
    let mut world = World::new();
    world.write_film(&vec![b'f'; 64 << 20]);
    let mut idle = world.client();
    assert_eq!(idle.ask(&get("/ping")).status, 200);
    let mut download = world.client();
    download.send(get("/file"));
    assert_eq!(download.head().status, 200);
    let mut waiting = world.client();
    waiting.send(get("/wait"));
    wait_until("a request waits", || {
        world.state.inside.load(Ordering::SeqCst) == 1
    });
    let started = Instant::now();
    thread::scope(|scope| {
        scope.spawn(|| {
            assert!(idle.is_ended(), "idle connections are closed at once");
            world.state.opened.notify_all();
            *world.state.is_open.lock().unwrap() = true;
            world.state.opened.notify_all();
            let answer = waiting.answer("GET");
            assert_eq!(answer.text(), "waited");
            assert!(waiting.is_ended());
        });
        world.server.stop();
    });
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    let mut rest = Vec::new();
    let _ = download.reader.read_to_end(&mut rest);
    assert!(rest.len() < 64 << 20);
    world.guard_dropped.recv_timeout(PATIENCE).unwrap();
    assert!(TcpStream::connect(world.address).is_err());
}
