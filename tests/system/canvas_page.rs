//! The page of a room, seen by browsers: what one draws the other sees, by mouse, finger and key; and a page goes on
//! after whatever ended its connection.

use rustix::process::Signal;
use serde_json::json;

use crate::chromium::{Browser, SCREENS};
use crate::server::{Server, firstbyte, wait_for};

/// Where on the window a pixel of the grid is.
fn on_window(browser: &mut Browser, (x, y): (u8, u8)) -> (f64, f64) {
    let side = browser
        .eval("(() => { const box = canvas.getBoundingClientRect(); return [box.left, box.top, box.width / 256] })()");
    let [left, top, pixel] = [0, 1, 2].map(|at| side[at].as_f64().unwrap());
    (left + (f64::from(x) + 0.5) * pixel, top + (f64::from(y) + 0.5) * pixel)
}

fn join(browser: &mut Browser, server: &Server) {
    browser.open(&server.url("/canvas/lobby"));
    browser.wait_until("state === 'live'");
}

/// Draws with the mouse from point to point.
fn drag(browser: &mut Browser, points: &[(u8, u8)]) {
    let mut mouse = |kind: &str, at: (u8, u8)| {
        let (x, y) = on_window(browser, at);
        browser.call(
            "Input.dispatchMouseEvent",
            json!({"type": kind, "x": x, "y": y, "button": "left", "buttons": 1, "clickCount": 1}),
        );
    };
    mouse("mousePressed", points[0]);
    points.iter().for_each(|&at| mouse("mouseMoved", at));
    mouse("mouseReleased", *points.last().unwrap());
}

/// Touches with as many fingers as there are points; none lifts them all.
fn touch(browser: &mut Browser, kind: &str, fingers: &[(u8, u8)]) {
    let mut points = Vec::new();
    for (id, &finger) in fingers.iter().enumerate() {
        let (x, y) = on_window(browser, finger);
        points.push(json!({"x": x, "y": y, "id": id}));
    }
    browser.call("Input.dispatchTouchEvent", json!({"type": kind, "touchPoints": points}));
}

fn key(browser: &mut Browser, kind: &str, key: &str) {
    let text = if key.chars().count() == 1 { key } else { "" };
    browser.call("Input.dispatchKeyEvent", json!({"type": kind, "key": key, "text": text}));
}

fn press(browser: &mut Browser, keys: &[&str]) {
    for name in keys {
        key(browser, "keyDown", name);
        key(browser, "keyUp", name);
    }
}

/// Whether the server has told of a straight line in this colour.
fn told((x0, y0): (u8, u8), (x1, y1): (u8, u8), colour: u8) -> String {
    let pixels =
        format!("(() => {{ const places = []; line({x0}, {y0}, {x1}, {y1}, (x, y) => places.push(y * SIDE + x))");
    format!("{pixels}; return places.every((place) => grid[place] === {colour}) }})()")
}

/// Waits until both have the same grid, show it, and have drawn so many pixels.
fn agree(browsers: [&mut Browser; 2], pixels: u32) {
    // What is on the screen is what the grid says.
    let shown = "(() => { frame(performance.now()); \
                 const seen = new Uint32Array(context.getImageData(0, 0, SIDE, SIDE).data.buffer); \
                 const wrong = grid.findIndex((colour, place) => seen[place] !== inks[colour]); \
                 const drawn = grid.filter((colour) => colour > 0).length; \
                 return `${drawn} drawn, wrong at ${wrong}: ${grid}` })()";
    let [one, other] = browsers;
    let expected = format!("{pixels} drawn, wrong at -1: ");
    wait_for(&format!("{pixels} pixels on both pages"), || {
        let (one, other) = (one.eval(shown), other.eval(shown));
        (one == other && one.as_str().unwrap().starts_with(&expected)).then_some(())
    });
}

#[test]
fn two_pages_draw_on_each_other() {
    let (Some(mut desk), Some(mut phone)) = (Browser::start(), Browser::start()) else { return };
    let server = Server::start(&[]);
    desk.view(1280, "light");
    phone.view(375, "dark");
    for page in [&mut desk, &mut phone] {
        join(page, &server);
    }
    for page in [&mut desk, &mut phone] {
        page.wait_until("document.getElementById('count').textContent.startsWith('you and 1 other')");
    }

    desk.eval("choose(9)");
    drag(&mut desk, &[(20, 20), (100, 60)]);
    phone.wait_until(&told((20, 20), (100, 60), 9));
    // The phone sees where the desk points.
    phone.wait_until("document.querySelectorAll('.other').length === 1");
    assert_eq!(phone.eval("document.querySelector('.other').textContent"), desk.eval("`#${member}`"));

    // A finger draws, two move the picture and draw nothing.
    phone.eval("choose(20)");
    touch(&mut phone, "touchStart", &[(10, 200)]);
    touch(&mut phone, "touchMove", &[(60, 240)]);
    touch(&mut phone, "touchEnd", &[]);
    desk.wait_until(&told((10, 200), (60, 240), 20));
    agree([&mut desk, &mut phone], 81 + 51);
    touch(&mut phone, "touchStart", &[(100, 100)]);
    touch(&mut phone, "touchStart", &[(100, 100), (150, 150)]);
    touch(&mut phone, "touchMove", &[(80, 80), (170, 170)]);
    touch(&mut phone, "touchEnd", &[]);
    assert!(phone.eval("zoom").as_f64() > Some(1.2), "two fingers zoom");
    phone.eval("zoomTo(1, 0, 0)");
    agree([&mut desk, &mut phone], 81 + 51);

    // What is taken back is one's own.
    phone.eval("document.getElementById('undo').click()");
    agree([&mut desk, &mut phone], 81);
    phone.eval("document.querySelector('[name=size][value=\"4\"]').click()");
    touch(&mut phone, "touchStart", &[(120, 200)]);
    touch(&mut phone, "touchEnd", &[]);
    agree([&mut desk, &mut phone], 81 + 16);
    phone.eval("undo()");
    agree([&mut desk, &mut phone], 81);
    // What was missed comes as Deltas: this page does not even understand a Snapshot any more.
    desk.eval("READERS.delete(0x82); socket.close()");
    desk.wait_until("state === 'waiting'");
    touch(&mut phone, "touchStart", &[(120, 200)]);
    touch(&mut phone, "touchEnd", &[]);
    phone.wait_until(&told((120, 200), (121, 201), 20));
    desk.eval("document.getElementById('retry').click()");
    desk.wait_until("state === 'live'");
    agree([&mut desk, &mut phone], 81 + 16);
    phone.eval("undo()");
    agree([&mut desk, &mut phone], 81);

    // More at once than one message holds.
    phone.eval("putDown(1, 100); for (let y = 100; y < 124; y += 4) { drawTo(1, y); drawTo(253, y) } lift()");
    agree([&mut desk, &mut phone], 81 + 24 * 256);
    phone.eval("undo()");
    agree([&mut desk, &mut phone], 81);
    phone.eval("document.getElementById('undo').click()");
    phone.wait_until("document.getElementById('notice').textContent.includes('no stroke of yours')");
    agree([&mut desk, &mut phone], 81);

    keys_draw(&mut desk);
    agree([&mut desk, &mut phone], 81 + 7);
    press(&mut desk, &["u"]);
    agree([&mut desk, &mut phone], 81);

    draw_a_picture(&mut desk);
    for (width, scheme) in SCREENS {
        let page = if width < 600 { &mut phone } else { &mut desk };
        page.view(width, scheme);
        page.wait_until("new Promise((done) => requestAnimationFrame(() => done(true)))");
        let overflow = page.eval("document.documentElement.scrollWidth - innerWidth");
        assert!(overflow.as_i64() <= Some(0), "the page is {overflow} pixels too wide for {width}");
        page.screenshot(&format!("canvas-{scheme}-{width}"));
    }
    for page in [desk, phone] {
        assert!(page.complaints.is_empty(), "{:#?}", page.complaints);
    }
}

/// Seven pixels: five down, and two to the right of the last one.
fn keys_draw(page: &mut Browser) {
    page.eval("moveHand(200, 100, true); canvas.focus()");
    press(page, &["1", "4"]);
    assert_eq!(page.eval("colour"), 14, "two digits choose a colour");
    press(page, &["]", "[", "["]);
    assert_eq!(page.eval("colour"), 13);
    key(page, "keyDown", " ");
    press(page, &["ArrowDown", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "ArrowRight"]);
    key(page, "keyUp", " ");
    press(page, &["ArrowRight"]);
    page.wait_until(&told((200, 100), (200, 104), 13));
    page.wait_until(&told((200, 104), (202, 104), 13));
    assert_eq!(page.eval("getComputedStyle(document.getElementById('mark')).display !== 'none'"), true);
    page.wait_until("document.getElementById('said').textContent === '203, 104: eraser, white'");
    page.screenshot("canvas-keys");
}

/// Something to look at.
fn draw_a_picture(page: &mut Browser) {
    let circles = [(60, 70, 40, 9, 2), (140, 100, 60, 20, 4), (180, 190, 45, 14, 1), (70, 190, 40, 27, 2)];
    for (x, y, radius, colour, size) in circles {
        page.eval(&format!("choose({colour}); document.querySelector('[name=size][value=\"{size}\"]').click()"));
        page.eval(&format!(
            "putDown({x} + {radius}, {y}); for (let turn = 0; turn <= 6.3; turn += 0.1) \
             drawTo(Math.round({x} + {radius} * Math.cos(turn)), Math.round({y} + {radius} * Math.sin(turn))); lift()"
        ));
    }
    page.wait_until("strokes.length === 0");
}

#[test]
fn a_page_goes_on_after_its_connection_has_ended() {
    let Some(mut page) = Browser::start() else { return };
    let mut server = Server::start(&[]);
    join(&mut page, &server);
    drag(&mut page, &[(10, 10), (30, 10)]);
    page.wait_until(&told((10, 10), (30, 10), 6));

    // Broken: it is the same member, and has missed nothing.
    let before = page.eval("[position.epoch, position.seq]");
    page.eval("socket.close(); paint(0, 5, 3)");
    page.wait_until("state === 'waiting'");
    page.wait_until("/^connection lost: trying again in [12] s$/.test(document.getElementById('link').textContent)");
    page.screenshot("canvas-waiting");
    assert_eq!(page.eval("screen[0] === inks[0]"), true, "what the server does not know is not shown");
    page.wait_until("state === 'live'");
    assert_eq!(page.eval("[position.epoch, position.seq]"), before, "resumed");
    // Loaded anew, it is still the same member.
    join(&mut page, &server);
    page.eval("undo()");
    page.wait_until("grid.every((colour) => colour === 0)");

    // What is not known is ignored, what is broken ends the connection, what is our fault ends it for good.
    for unknown in ["'text'", "new ArrayBuffer(0)", "new Uint8Array([0x99, 1, 2]).buffer"] {
        page.eval(&format!("hear({unknown})"));
        assert_eq!(page.eval("state"), "live", "{unknown}");
    }
    let past_the_end = "0x83, ...new Uint8Array(new Uint32Array([position.seq + 1]).buffer).reverse(), 255, 255, 0x20";
    for malformed in ["0x81", "0x82, 0, 0, 0, 1, 0, 0, 0, 1, 7", "0x83, 0", "0x84, 0, 0, 0, 1, 1", "0x85", past_the_end]
    {
        page.eval(&format!("hear(new Uint8Array([{malformed}]).buffer)"));
        assert_eq!(page.eval("[state, position]"), json!(["waiting", null]), "{malformed}");
        page.eval("tries = 0; document.getElementById('retry').click()");
        page.wait_until("state === 'live'");
    }
    page.eval("send(0x77)");
    page.wait_until("state === 'closed'");
    assert_ne!(page.eval("document.getElementById('link').textContent"), "closed by the server: code 1008");
    page.eval("document.getElementById('retry').click()");
    page.wait_until("state === 'live'");
    assert!(page.complaints.is_empty(), "{:#?}", page.complaints);

    // The server goes, and another one comes to its place.
    page.eval("tries = 0");
    server.signal(Signal::TERM);
    assert_eq!(server.exit_code(), Some(0));
    page.wait_until("state === 'waiting'");
    let mut command = firstbyte();
    command.args(["serve", "--listen", &server.addr.to_string()]);
    let _server = Server::spawn(command);
    page.wait_until("state === 'live'");
    drag(&mut page, &[(40, 40), (40, 90)]);
    page.wait_until(&told((40, 40), (40, 90), 6));
    // The browser itself tells of an address where nobody listens.
    let complaints = page.complaints.iter().filter(|complaint| !complaint.contains("ERR_CONNECTION_REFUSED"));
    assert_eq!(complaints.count(), 0, "{:#?}", page.complaints);
}
