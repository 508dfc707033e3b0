"""A TCP proxy between nodes, in a thread of the test: delay, jitter, loss, bandwidth, silence, cuts.

  p = Proxy()
  port = p.listen("a", "b", target_port)   whoever connects there is called a, and reaches b
  p.way("a", "b").held = True              nothing goes from a to b any more, in whichever connection; TCP holds what is sent
  p.link("a", "b").refuse = True           connections between the two end with a reset, and no new ones are taken
  p.stop()

What is held is not lost: that is what a partition looks like to TCP until it gives up. A lost packet is a chunk that comes 200 ms
to a second late, and so does all behind it.
"""
import asyncio
import random
import socket
import struct
import threading

CHUNK = 16384


class Way:
    """What befalls bytes from one to the other."""

    def __init__(self):
        self.heal()
        self.bytes = 0

    def heal(self):
        self.held = False      # nothing passes
        self.delay = 0.0       # seconds
        self.jitter = 0.0      # seconds more, at random
        self.loss = 0.0        # of a chunk
        self.rate = 0          # bytes a second; 0: any
        self.drip = 0          # at most so many bytes at a time; 0: any
        self.cut_after = None  # so many bytes more, then the connection is closed, in the middle of whatever it is


class Link:
    """What befalls connections between two, whoever dialled."""

    def __init__(self):
        self.heal()
        self.taken = 0

    def heal(self):
        self.refuse = False  # reset, those that are open and those that come
        self.mute = False    # new ones are taken, and nobody is behind them


class Proxy:
    def __init__(self, seed=1):
        self.random = random.Random(seed)
        self.ways, self.links, self.open = {}, {}, {}
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def way(self, a, b):
        return self.ways.setdefault((a, b), Way())

    def link(self, a, b):
        return self.links.setdefault(frozenset((a, b)), Link())

    def both(self, a, b):
        return self.way(a, b), self.way(b, a)

    def heal(self):
        for x in list(self.ways.values()) + list(self.links.values()):
            x.heal()

    def listen(self, a, b, target, host="127.0.0.1"):
        self.way(a, b), self.way(b, a), self.link(a, b)

        async def start():
            return await asyncio.start_server(lambda r, w: self.serve(a, b, host, target, r, w), host, 0)

        server = asyncio.run_coroutine_threadsafe(start(), self.loop).result()
        return server.sockets[0].getsockname()[1]

    def stop(self):
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()

    @staticmethod
    def reset(writer):
        s = writer.get_extra_info("socket")
        if s is not None and s.fileno() >= 0:
            s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.close()

    async def serve(self, a, b, host, target, reader, writer):
        link = self.link(a, b)
        link.taken += 1
        far = None
        tasks = []
        try:
            if link.refuse:
                self.reset(writer)
                return
            while link.mute:
                await asyncio.sleep(0.1)
            far_reader, far = await asyncio.open_connection(host, target)
            tasks = [asyncio.ensure_future(self.pump(self.way(a, b), reader, far)),
                     asyncio.ensure_future(self.pump(self.way(b, a), far_reader, writer)),
                     asyncio.ensure_future(self.refused(link))]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if tasks[2] in done:
                self.reset(writer)
                self.reset(far)
        except OSError:
            pass
        finally:
            for t in tasks:
                t.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for w in (writer, far):
                if w is not None:
                    w.close()

    @staticmethod
    async def refused(link):
        while not link.refuse:
            await asyncio.sleep(0.05)

    async def pump(self, way, reader, writer):
        """Two halves, so that what is delayed does not slow down what follows."""
        queue = asyncio.Queue(64)

        async def read():
            due = 0.0
            while True:
                data = await reader.read(CHUNK)
                wait = way.delay + way.jitter * self.random.random()
                if way.loss and self.random.random() < way.loss:
                    wait += self.random.uniform(0.2, 1.0)
                due = max(due, self.loop.time() + wait)
                await queue.put((due, data))
                if not data:
                    return

        reading = asyncio.ensure_future(read())
        try:
            while True:
                due, data = await queue.get()
                if not data:
                    break
                await asyncio.sleep(max(0.0, due - self.loop.time()))
                if not await self.pass_on(way, writer, data):
                    break
        finally:
            reading.cancel()

    async def pass_on(self, way, writer, data):
        """False: it was cut here."""
        while data:
            while way.held:
                await asyncio.sleep(0.02)
            n = min(len(data), way.drip or len(data), max(1, way.rate // 10) if way.rate else len(data))
            is_cut = way.cut_after is not None and n >= way.cut_after
            part = data[:way.cut_after if is_cut else n]
            writer.write(part)
            await writer.drain()
            way.bytes += len(part)
            if is_cut:
                way.cut_after = None
                return False
            if way.cut_after is not None:
                way.cut_after -= len(part)
            data = data[n:]
            if way.rate or way.drip:
                await asyncio.sleep(n / way.rate if way.rate else 0.01)
        return True
