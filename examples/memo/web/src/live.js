const FIRST_PAUSE = 500; // milliseconds before a connection that ended is opened again
const LONGEST_PAUSE = 15_000;

/**
 * Keep a WebSocket open and pass on what it says, as JSON; return what closes it for good.
 *
 * A rollout closes the sockets of the release before, so an end is nothing special: it is opened again, after a pause
 * that grows as long as it fails.
 */
export function stay(url, heard, { Socket = WebSocket, wait = setTimeout } = {}) {
  let socket;
  let pause = FIRST_PAUSE;
  let over = false;
  const open = () => {
    if (over) return;
    socket = new Socket(url);
    socket.onopen = () => {
      pause = FIRST_PAUSE;
    };
    socket.onmessage = (event) => heard(JSON.parse(event.data));
    socket.onclose = () => {
      wait(open, pause);
      pause = Math.min(pause * 2, LONGEST_PAUSE);
    };
  };
  open();
  return () => {
    over = true;
    socket.close();
  };
}
