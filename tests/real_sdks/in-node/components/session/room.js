export function join(room) {
  return room.peers.length;
}
