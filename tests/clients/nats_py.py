"""What users do with nats-py, against the server given as arguments: nats_py.py BINARY [FLAGS...]."""

import asyncio
import os
import socket
import ssl
import subprocess
import sys
import tempfile

import nats
import nkeys
from nats.errors import MaxPayloadError, NoRespondersError


class Server:
    def __init__(self, *flags, port=None):
        self.port = port or free_port()
        self.url = f"nats://127.0.0.1:{self.port}"
        command = [*sys.argv[1:], "-a", "127.0.0.1", "-p", str(self.port), *flags]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            if "Server is ready" in line:
                return
        raise SystemExit(f"{command} did not start")

    def stop(self):
        self.process.terminate()
        self.process.stderr.read()
        self.process.wait(10)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


async def publish_and_subscribe(url):
    clients = [await nats.connect(url) for _ in range(10)]
    publisher, last = clients[0], clients[-1]
    subscriptions = []
    for client in clients:
        subscriptions.append(await client.subscribe("orders.*"))
        await client.flush()
    for number in range(500):
        await publisher.publish("orders.new", b"%d" % number, headers={"N": str(number)})
    await publisher.flush()
    for subscription in subscriptions:
        for number in range(500):
            message = await subscription.next_msg(timeout=5)
            assert message.data == b"%d" % number and message.headers == {"N": str(number)}
    limited = await last.subscribe("few")
    await limited.unsubscribe(limit=3)
    await last.flush()
    for _ in range(5):
        await publisher.publish("few", b"")
    await publisher.flush()
    for _ in range(3):
        await limited.next_msg(timeout=5)
    for client in clients:
        await client.drain()


async def request_and_queue(url):
    asking, *serving = [await nats.connect(url) for _ in range(9)]
    counts = [0] * len(serving)

    def answer(at):
        async def callback(message):
            counts[at] += 1
            await message.respond(b"re:" + message.data)

        return callback

    for at, client in enumerate(serving):
        await client.subscribe("service", queue="workers", cb=answer(at))
        await client.flush()
    for number in range(400):
        reply = await asking.request("service", b"%d" % number, timeout=5)
        assert reply.data == b"re:%d" % number
    assert sum(counts) == 400 and min(counts) > 0, counts
    large = b"x" * 900_000
    assert (await asking.request("service", large, timeout=5)).data == b"re:" + large
    try:
        await asking.request("nobody", b"", timeout=5)
        raise AssertionError("nobody answered")
    except NoRespondersError:
        pass
    try:
        await asking.publish("service", b"x" * (asking.max_payload + 1))
        raise AssertionError("larger than max_payload")
    except MaxPayloadError:
        pass
    for client in [asking, *serving]:
        await client.close()


async def reconnect():
    server = Server()
    back = asyncio.Event()

    async def reconnected():
        back.set()

    async def quiet(_):
        pass

    client = await nats.connect(server.url, reconnected_cb=reconnected, error_cb=quiet, reconnect_time_wait=0.05)
    subscription = await client.subscribe("after")
    server.stop()
    with Server(port=server.port):
        await asyncio.wait_for(back.wait(), 20)
        await client.publish("after", b"restart")
        assert (await subscription.next_msg(timeout=5)).data == b"restart"
        await client.close()


async def authorization():
    hashed = "$2a$04$DuKK8pWAzzYzJKHzZr9B0.1hr0dGoc3SQ0wUiPXeLJXDQTL3Hw9pS"

    async def refused(url, **options):
        async def quiet(_):
            pass

        try:
            await nats.connect(url, allow_reconnect=False, error_cb=quiet, **options)
        except Exception as error:
            assert "Authorization" in str(error), error
            return
        raise AssertionError(f"{options} was let in")

    with Server("--auth", "s3cr3t") as server:
        client = await nats.connect(server.url, token="s3cr3t")
        await client.close()
        await refused(server.url, token="wrong")
        await refused(server.url)
    with Server("--user", "joe", "--pass", "secret") as server:
        client = await nats.connect(server.url, user="joe", password="secret")
        await client.flush()
        await client.close()
        await refused(server.url, user="joe", password="wrong")
    with Server("--user", "joe", "--pass", hashed) as server:
        await refused(server.url, user="joe", password="wrong")


async def keys_and_permissions(folder):
    pair = nkeys.from_seed(nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER))
    path = os.path.join(folder, "users.conf")
    with open(path, "w", encoding="utf-8") as file:
        file.write(
            f"""authorization {{ users: [
                {{ nkey: {pair.public_key.decode()}, permissions: {{ publish: "open.>", subscribe: [">"] }} }}
                {{ user: other, password: pw }}
            ] }}"""
        )
    seed = os.path.join(folder, "user.nk")
    with open(seed, "wb") as file:
        file.write(bytes(pair.seed))
    with Server("-c", path) as server:
        refusals = asyncio.Queue()

        async def refused(error):
            await refusals.put(str(error))

        client = await nats.connect(server.url, nkeys_seed=seed, error_cb=refused)
        subscription = await client.subscribe("open.door")
        await client.publish("open.door", b"in")
        await client.publish("shut.door", b"out")
        assert (await subscription.next_msg(timeout=5)).data == b"in"
        assert 'permissions violation for publish to "shut.door"' in (await asyncio.wait_for(refusals.get(), 5)).lower()
        await client.flush()
        await client.close()


async def tls(folder):
    """A server's certificate and a client's, from one authority."""

    def openssl(*arguments):
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    def issue(name, extensions):
        with open(os.path.join(folder, f"{name}.ext"), "w", encoding="utf-8") as file:
            file.write(extensions)
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        openssl("req", *curve, "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        openssl("x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial",
                "-out", f"{name}.pem", "-days", "2", "-extfile", f"{name}.ext")

    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
            "-keyout", "ca.key", "-out", "ca.pem", "-subj", "/CN=authority")
    issue("server", "subjectAltName=IP:127.0.0.1,DNS:localhost")
    issue("client", "extendedKeyUsage=clientAuth")
    at = lambda name: os.path.join(folder, name)
    flags = ("--tlsverify", "--tlscert", at("server.pem"), "--tlskey", at("server.key"), "--tlscacert", at("ca.pem"))
    with Server(*flags) as server:
        context = ssl.create_default_context(cafile=at("ca.pem"))
        context.load_cert_chain(at("client.pem"), at("client.key"))
        client = await nats.connect(server.url.replace("nats:", "tls:"), tls=context)
        subscription = await client.subscribe("big")
        await client.publish("big", b"x" * 500_000)
        assert len((await subscription.next_msg(timeout=5)).data) == 500_000
        await client.close()


async def main():
    with Server() as server:
        await publish_and_subscribe(server.url)
        await request_and_queue(server.url)
    await reconnect()
    await authorization()
    with tempfile.TemporaryDirectory() as folder:
        await keys_and_permissions(folder)
        await tls(folder)
    print("nats-py:", " ".join(sys.argv[1:]), "passed")


asyncio.run(asyncio.wait_for(main(), 120))
