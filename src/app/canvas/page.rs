//! Owns the pages of the canvas: the list of rooms, and the one on which a room is drawn.

use crate::app::canvas::PREFIX;
use crate::app::canvas::domain::RoomName;
use crate::app::canvas::room::Summary;
use crate::app::page::{Asset, Page, escaped};
use crate::http::Router;

static STYLE: Asset = Asset::new("/assets/canvas.css", "text/css; charset=utf-8", include_str!("page.css"));
static SCRIPT: Asset = Asset::new("/assets/canvas.js", "text/javascript; charset=utf-8", include_str!("page.js"));

/// Adds the files that the pages need.
pub fn routes<S: Clone + Send + Sync + 'static>(router: Router<S>) -> Router<S> {
    SCRIPT.route(STYLE.route(router))
}

/// The page of a room. The script takes the room's name from the address.
pub fn room(name: &RoomName) -> String {
    let title = format!("The canvas, room {name}");
    let main = include_str!("page.html");
    Page { title: &title, here: PREFIX, main, styles: &[&STYLE], scripts: &[&SCRIPT] }.html()
}

/// The rooms that are there.
pub fn list(rooms: &[(RoomName, Summary)]) -> String {
    let row = |(name, room): &(RoomName, Summary)| {
        let name = escaped(name.as_str());
        format!("<li><a href=\"{PREFIX}/{name}\">{name}</a> members {}</li>\n", room.members)
    };
    let rows: String = rooms.iter().map(row).collect();
    let rows = if rows.is_empty() { "<li>There is none yet: the first member makes one.</li>\n" } else { &rows };
    let main = format!(
        "<h1>The canvas</h1>\n<p class=\"lead\">Pixel grids that everybody in a room draws on at once.</p>\n\
         <p><a href=\"{PREFIX}/lobby\">Draw in the lobby</a>, or open any room by its path: 1 to 64 of a-z, 0-9 and -.</p>\n\
         <h2>Rooms</h2>\n<ul>\n{rows}</ul>\n"
    );
    Page { title: "The canvas", here: PREFIX, main: &main, styles: &[&STYLE], scripts: &[] }.html()
}
