/**
 * How much a peer may send ahead. HTTP/2 begins with 64 KiB to a stream and to a connection, and more only follows when the reader has had
 * its turn. A daemon that decides a batch has none for that long, so its peers would send it a few hundred items, wait, and get their
 * answers in as small parts: measured, a third of its time went by in waiting.
 */
import { subscribe } from "node:diagnostics_channel";
import type { ServerHttp2Session, ServerHttp2Stream } from "node:http2";
import { LIMITS } from "#std";

/** For a client's channel: what it lets a server send ahead. */
export const CLIENT_WINDOW = Object.freeze({ "grpc-node.flow_control_window": LIMITS.streamWindowBytes });

const widened = new WeakSet<ServerHttp2Session>();
let watching = false;

/**
 * Lets clients send that much ahead to all gRPC servers of this process, from the first call of a connection on. grpc-js has no option
 * for it on this side, so sessions are met where Node tells of their streams. Again is harmless.
 */
export function widenServerWindows(): void {
  if (watching) return;
  watching = true;
  subscribe("http2.server.stream.created", (created) => {
    const { session } = (created as { readonly stream: ServerHttp2Stream }).stream;
    if (session === undefined || widened.has(session as ServerHttp2Session)) return;
    widened.add(session as ServerHttp2Session);
    // What is thrown here would end the process, and a session that is over needs no window.
    if (session.destroyed || session.closed) return;
    (session as ServerHttp2Session).setLocalWindowSize(LIMITS.streamWindowBytes);
    session.settings({ initialWindowSize: LIMITS.streamWindowBytes });
  });
}
