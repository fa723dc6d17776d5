"""The guard, seen through real sockets."""

from __future__ import annotations

import ipaddress
import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx
import pytest

from shared.errors import BadInput, Conflict, Forbidden, Invalid, NotFound, Unavailable
from shared.net.address import Allowed, is_public, spoken
from shared.net.guard import explained_http, guarded_client

LOOPBACK = ("127.0.0.1/32",)


class Answers(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.seen.append((self.path, self.headers["Host"]))
        if self.path.startswith("/to?"):
            self.send_response(302)
            self.send_header("Location", self.path.removeprefix("/to?"))
            self.end_headers()
            return
        if self.path == "/circle":
            self.send_response(302)
            self.send_header("Location", "/circle")
            self.end_headers()
            return
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *args):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.seen = []
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        running.url = f"http://127.0.0.1:{running.server_address[1]}"
        yield running
        running.shutdown()


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "127.255.0.9", "0.0.0.0", "10.0.0.1", "172.16.5.4", "192.168.1.1", "169.254.169.254",
        "100.64.0.1", "192.0.0.8", "198.18.0.1", "224.0.0.1", "255.255.255.255", "240.0.0.1", "192.88.99.1",
        "::", "::1", "fe80::1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::a00:1", "2002:7f00:1::", "2001:0:1::", "2001:db8::1",
        "fec0::1", "::ffff:8.8.8.8", "::ffff:0:127.0.0.1",
    ],
)  # fmt: skip
def test_an_inner_address_is_not_public(address):
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111"])
def test_an_address_of_the_open_internet_is_public(address):
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f.1", "0", "[::1]", "[::ffff:127.0.0.1]"]
)  # fmt: skip
def test_no_spelling_of_loopback_reaches_the_server(server, host):
    port = server.server_address[1]
    with guarded_client() as client, pytest.raises(Forbidden, match="private or reserved network"):
        client.get(f"http://{host}:{port}/secret")
    assert server.seen == []


def test_an_allowed_network_is_reached_with_the_host_of_the_url(server):
    with guarded_client(LOOPBACK) as client:
        assert client.get(f"{server.url}/a").text == "ok"
    assert server.seen == [("/a", server.url.removeprefix("http://"))]


def test_an_allowed_name_is_reached_and_no_other_name_of_the_same_address(server):
    port = server.server_address[1]
    with guarded_client(["LocalHost."]) as client:
        assert client.get(f"http://localhost:{port}/a").text == "ok"
        with pytest.raises(Forbidden):
            client.get(f"http://127.0.0.1:{port}/b")
    assert [path for path, _ in server.seen] == ["/a"]


@pytest.mark.parametrize(
    "inner", ["http://127.0.0.2:{port}/x", "http://[::1]:{port}/x", "http://169.254.169.254/latest"]
)
def test_a_redirect_to_an_inner_address_is_refused(server, inner):
    target = inner.format(port=server.server_address[1])
    with guarded_client(LOOPBACK) as client, pytest.raises(Forbidden):
        client.get(f"{server.url}/to?{target}")
    assert len(server.seen) == 1


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/x", "http://user:word@127.0.0.1/x"])
def test_a_redirect_to_an_unusable_url_is_refused(server, target):
    with guarded_client(LOOPBACK) as client, pytest.raises((BadInput, httpx.UnsupportedProtocol)):
        client.get(f"{server.url}/to?{target}")
    assert len(server.seen) == 1


def test_a_circle_of_redirects_ends(server):
    with (
        guarded_client(LOOPBACK, max_redirects=3) as client,
        pytest.raises(httpx.TooManyRedirects) as caught,
    ):
        client.get(f"{server.url}/circle")
    assert len(server.seen) == 4
    explained = explained_http(caught.value, server.url)
    assert isinstance(explained, Conflict)
    assert "circle" in str(explained)


def test_a_name_that_changes_its_answer_is_not_followed(server, monkeypatch):
    """DNS rebinding: public when checked, private when connected. There is only one look-up."""
    port = server.server_address[1]
    answers = iter(["192.0.2.1", "127.0.0.1"])
    asked = []
    real = socket.getaddrinfo

    def rebinding(host, port, *args, **kwargs):
        if host == "rebind.test":
            asked.append(host)
            return real(next(answers), port, *args, **kwargs)
        return real(host, port, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    # 192.0.2.1 (documentation) stands for a public address here; nothing listens there.
    with (
        guarded_client(["192.0.2.1"], connect_timeout_s=0.3) as client,
        pytest.raises(httpx.HTTPError),
    ):
        client.get(f"http://rebind.test:{port}/secret")
    assert asked == ["rebind.test"]
    assert server.seen == []


def test_one_inner_address_among_public_ones_refuses_the_name(server, monkeypatch):
    def mixed(host, port, *args, **kwargs):
        del host, args, kwargs
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("8.8.8.8", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", mixed)
    with guarded_client() as client, pytest.raises(Forbidden):
        client.get("http://mixed.test/")


def test_the_second_address_is_tried_when_the_first_is_silent(server, monkeypatch):
    port = server.server_address[1]
    with socket.socket() as unused:
        unused.bind(("127.0.0.2", port))  # bound, not listening: refuses connections
        real = socket.getaddrinfo

        def two(host, port, *args, **kwargs):
            if host != "two.test":
                return real(host, port, *args, **kwargs)
            return [
                (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
                for address in ("127.0.0.2", "127.0.0.1")
            ]

        monkeypatch.setattr(socket, "getaddrinfo", two)
        with guarded_client(["two.test"]) as client:
            assert client.get(f"http://two.test:{port}/").text == "ok"


def test_a_proxy_of_the_environment_is_not_used(server, monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    with guarded_client(LOOPBACK) as client:
        assert client.get(f"{server.url}/").text == "ok"


@pytest.mark.parametrize(
    "url", ["ftp://example.org/a", "file:///etc/passwd", "gopher://example.org", "https://", "http://[::1"]
)  # fmt: skip
def test_an_unusable_url_is_refused(url):
    with pytest.raises(BadInput):
        Allowed.of([]).url(url)


def test_credentials_in_a_url_are_refused_and_not_repeated():
    with pytest.raises(BadInput) as caught:
        Allowed.of([]).url("https://anna:hunter2@example.org/v.mp4?sig=abc123")
    assert "hunter2" not in str(caught.value)
    assert "anna" not in str(caught.value)
    assert "abc123" not in str(caught.value)
    assert spoken("https://a:b@example.org:8443/v.mp4?sig=1#x") == "https://example.org:8443/v.mp4"


@pytest.mark.parametrize("entry", ["http://x.org", "", "10.0.0.0/40", "*.internal", "a b"])
def test_a_wrong_allow_list_entry_is_named(entry):
    with pytest.raises(Invalid, match="allow-list entry"):
        Allowed.of([entry])


def test_an_unknown_host_says_so():
    with guarded_client() as client, pytest.raises(NotFound, match=r"nothing-here\.invalid"):
        client.get("http://nothing-here.invalid/")


def test_nobody_listening_is_worth_another_try():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}/v.mp4?sig=secret"
        with guarded_client(LOOPBACK) as client, pytest.raises(httpx.ConnectError) as caught:
            client.get(url)
    explained = explained_http(caught.value, url)
    assert isinstance(explained, Unavailable)
    assert "secret" not in str(explained)


def test_the_certificate_is_checked_against_the_name_of_the_url(tls_server):
    """The socket goes to an address, yet SNI and verification use the host name."""
    good = ssl.create_default_context(cafile=tls_server.ca)
    with guarded_client(["localhost"], context=good) as client:
        assert client.get(f"https://localhost:{tls_server.server_address[1]}/").text == "ok"
        assert tls_server.names == ["localhost"]
    with guarded_client(["localhost"]) as client, pytest.raises(httpx.ConnectError) as caught:
        client.get(f"https://localhost:{tls_server.server_address[1]}/")
    assert "certificate" in str(explained_http(caught.value, "https://localhost/")).lower()
    with (
        guarded_client(LOOPBACK, context=good) as client,
        pytest.raises(httpx.ConnectError) as caught,
    ):
        client.get(f"https://127.0.0.1:{tls_server.server_address[1]}/")
    assert isinstance(explained_http(caught.value, "https://127.0.0.1/"), Forbidden)


@pytest.fixture
def tls_server(tmp_path):
    trustme = _certificate(tmp_path)
    with ThreadingHTTPServer(("127.0.0.1", 0), Answers) as running:
        running.seen, running.names, running.ca = [], [], str(trustme / "cert.pem")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(trustme / "cert.pem", trustme / "key.pem")
        context.sni_callback = lambda _socket, name, _context: running.names.append(name)
        running.socket = context.wrap_socket(running.socket, server_side=True)
        running.handle_error = lambda *_: None  # refused handshakes are the point
        thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield running
        running.shutdown()


def _certificate(folder):
    """A self-signed certificate for the name localhost alone."""
    import datetime as dt

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder
