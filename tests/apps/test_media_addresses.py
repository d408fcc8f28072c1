"""Media at addresses of one's own network, in every spelling."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core.apps import rest
from freerouter_core.apps.http.media_addresses import host_inside
from freerouter_core.simulator import SimModel, World

INSIDE = """
localhost LOCALHOST localhost. app.localhost localhost:8080 ip6-localhost minio metadata
metadata.google.internal host.docker.internal printer.local nas.home.arpa localhost.localdomain
127.0.0.1 127.0.0.1. 127.1 127.0.1 127.255.255.254 2130706433 0x7f000001 0x7F.1 0177.0.0.1
017700000001 00000177.0.0.1 0 0.0.0.0 0x 0x0.0 10.0.0.1 0xa.1 012.0.0.1 172.16.0.1 192.168.1.1
192.168.257 169.254.169.254 0xa9fea9fe 2852039166 0251.0376.0251.0376 169.254.43518 100.64.0.1
100.100.100.200 168.63.129.16 192.0.0.192 198.18.0.1 224.0.0.1 240.0.0.1 255.255.255.255
0127.0.0.1 256.0.0.1 1.2.3.4.5 127..0.1 example.0x7f
[::1] [::] [::1]:80 [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [::127.0.0.1]
[::ffff:0:10.0.0.1] [64:ff9b::10.0.0.1] [64:ff9b::a9fe:a9fe] [64:ff9b:1::1] [2002:7f00:1::]
[2002:a9fe:a9fe::1] [fe80::1] [fe80::1%25eth0] [fec0::1] [fd00:ec2::254] [fc00::1] [ff02::1]
[2001:db8::1] [::1 [nonsense::] ::1 [v1.fe80::1]
user@127.0.0.1 user:word@10.0.0.1:80 example.com@localhost @169.254.169.254
x.test\\@127.0.0.1 127.0.0.1\\@x.test 127.0.0.1#@x.test 127.0.0.1?@x.test 127.0.0.1:80\\x.test
%31%32%37.0.0.1 loc%61lhost 127%2e0%2e0%2e1 １２７.０.０.１ 127。0。0。1 ①②⑦.0.0.1 ｌocalhost
loc\u00adalhost local\u200bhost 127.0\u2060.0.1 /127.0.0.1 //127.0.0.1 \\127.0.0.1 1\t27.0.0.1
"""
INSIDE_HOSTS = [host for line in INSIDE.split("\n") for host in line.split(" ") if host]

OUTSIDE = """
x.test example.com example.com. upload.wikimedia.org:443 8.8.8.8 134744072 0x08080808 8.8.8.8:80
08.8.8.8 1.1 [2606:4700:4700::1111] [::ffff:8.8.8.8] [64:ff9b::8.8.8.8] [2002:808:808::1]
user:word@x.test user@x.test münchen.example localhost.example internal.example
127.0.0.1.example 0x7f.example x.test/127.0.0.1 x.test/@127.0.0.1 x.test?u=http://127.0.0.1/
x.test#@127.0.0.1 local.x.test x.notlocal
"""


@pytest.mark.parametrize("host", INSIDE_HOSTS)
def test_an_address_inside_is_one_in_every_spelling(host: str) -> None:
    for scheme in ("http://", "HTTPS://", "http:"):
        assert host_inside(f"{scheme}{host}/a.png") is not None


@pytest.mark.parametrize("host", OUTSIDE.split())
def test_a_public_address_is_none(host: str) -> None:
    assert host_inside(f"https://{host}/a.png") is None


@given(number=st.integers(0, 2**32 - 1), spelling=st.sampled_from(["{}", "{:#x}", "0{:o}"]))
def test_a_number_is_read_as_c_reads_it(number: int, spelling: str) -> None:
    """What `inet_aton` connects to is public, or it is refused."""
    host = spelling.format(number)
    meant = ipaddress.IPv4Address(socket.inet_aton(host))
    if host_inside(f"http://{host}/") is None:
        assert meant.is_global


def test_other_things_are_no_addresses() -> None:
    for text in ("data:image/png;base64,AAAA", "", "ftp://127.0.0.1/", "file-123", "http"):
        assert host_inside(text) is None


def test_allowed_hosts_are_exceptions() -> None:
    allowed = ("MinIO", "10.0.0.1", "[fd00::1]")
    for host in ("minio:9000", "MINIO", "10.0.0.1", "[fd00::1]:80"):
        assert host_inside(f"http://{host}/a.png", allowed) is None
    for host in ("minio2", "10.0.0.2", "10.0.0.1\\@10.0.0.2", "minio@10.0.0.2"):
        assert host_inside(f"http://{host}/a.png", allowed) is not None


# -- through the service -------------------------------------------------------------------------

URL = "http://169.254.169.254/latest/meta-data/"


def message(part: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": [part]}]


def picture(url: str) -> dict[str, Any]:
    return {"messages": message({"type": "image_url", "image_url": {"url": url}})}


@pytest.fixture
def world() -> World[Any]:
    sees = ("text", "image", "file", "audio", "video")
    return World([SimModel("acme/sees:free", inputs=sees, first_token=0.0, speed=1e6)])


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", picture(URL)),
        ("/v1/chat/completions", {**picture(URL), "stream": True}),
        ("/v1/chat/completions", {**picture(URL), "n": 2}),
        ("/api/v1/chat/completions", picture(URL)),
        ("/v1/chat/completions",
         {"messages": message({"type": "file", "file": {"file_data": URL, "filename": "a.pdf"}})}),
        ("/v1/chat/completions",
         {"messages": message({"type": "input_audio",
                               "input_audio": {"data": URL, "format": "wav"}})}),
        ("/v1/chat/completions",
         {"messages": message({"type": "video_url", "video_url": {"url": URL}})}),
        ("/v1/responses", {"input": message({"type": "input_image", "image_url": URL})}),
        ("/v1/responses", {"input": message({"type": "input_file", "file_url": URL})}),
        ("/v1/messages",
         {"max_tokens": 9,
          "messages": message({"type": "image", "source": {"type": "url", "url": URL}})}),
        ("/v1/messages",
         {"max_tokens": 9,
          "messages": message({"type": "document", "source": {"type": "url", "url": URL}})}),
        ("/api/chat",
         {"stream": False, "messages": [{"role": "user", "content": "x", "images": [URL]}]}),
    ],
)  # fmt: skip
def test_no_client_makes_a_model_server_ask_this_network(
    world: World[Any], path: str, body: Any
) -> None:
    with TestClient(rest.app(world.router()), raise_server_exceptions=False) as client:
        refused = client.post(path, json={"model": "auto", **body})

    assert refused.status_code == 400
    assert "'169.254.169.254' is an address inside a network" in refused.text
    assert not [request for request in world.requests if request.body.get("messages")]


def test_public_pictures_and_pictures_as_data_are_asked_about(world: World[Any]) -> None:
    with TestClient(rest.app(world.router())) as client:
        for url in ("https://upload.wikimedia.org/a.png", "data:image/png;base64,iVBORw0KGgo="):
            assert client.post("/v1/chat/completions", json=picture(url)).status_code == 200


def test_the_owner_may_allow_a_host_or_all(world: World[Any]) -> None:
    inside = picture("http://minio:9000/a.png")
    statuses = []
    for hosts in ((), ("minio",), ("*",), ("other",)):
        with TestClient(rest.app(world.router(), media_hosts=hosts)) as client:
            statuses.append(client.post("/v1/chat/completions", json=inside).status_code)

    assert statuses == [400, 200, 200, 400]


def test_code_that_has_the_router_means_what_it_writes(world: World[Any]) -> None:
    inside: Any = picture("http://10.0.0.1/a.png")["messages"]
    client = world.router().openai_client()

    assert client.chat.completions.create(model="auto", messages=inside).choices
