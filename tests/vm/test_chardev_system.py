# SPDX-License-Identifier: GPL-2.0-only
"""/dev/ductN in the system it is part of: udev, the card's filters, tcpdump, bridges, other programs."""

import re
from pathlib import Path

import pytest

from ductvm.ether import ALL, ECHO, NATIVE_TYPE, PROMISC, QUOTE, group_filter, mac_of
from ductvm.twocards import PROGRAMS, PagePools, frames_of

GROUP_IP, GROUP_MAC = "239.7.7.7", "01:00:5e:07:07:07"
GROUP = group_filter(GROUP_MAC)
PORT = 7001


def test_device_node(cards):
    """Root's alone, and a child of the card."""
    for dev in "duct0", "duct1":
        assert cards.guest.run(f"stat -c '%a %u %g %F' /dev/{dev}").strip() == "600 0 0 character special file"
        parent = cards.guest.run(f"readlink -f /sys/class/misc/{dev}/device").strip()
        assert parent == cards.guest.run(f"readlink -f /sys/class/net/{dev}/device").strip()
        properties = cards.guest.run(f"udevadm info -q property /dev/{dev}")
        assert "SUBSYSTEM=misc" in properties
        assert f"DEVNAME=/dev/{dev}" in properties


def test_nobody_else_may_open_it(cards):
    as_another = "su -s /bin/sh tcpdump -c"
    cards.guest.run(f"{as_another} 'test -e /dev/duct0 && : </dev/null'")
    for way in "<", ">":
        assert not cards.guest.ok(f"{as_another} ': {way}/dev/duct0'")


def test_example_rule_opens_it_to_a_group(cards):
    rule = Path(__file__).parents[2] / "examples" / "60-duct.rules"
    cards.guest.run("mkdir -p /etc/udev/rules.d")
    cards.guest.put(f"/etc/udev/rules.d/{rule.name}", rule.read_text())
    cards.guest.run("grep -q ^duct: /etc/group || echo duct:x:999:tcpdump >>/etc/group; udevadm control --reload; "
                    "udevadm trigger --subsystem-match=misc; udevadm settle")
    try:
        for dev in "duct0", "duct1":
            assert cards.guest.run(f"stat -c '%a %U %G' /dev/{dev}").strip() == "660 root duct"
        assert "hwaddr" in cards.guest.run("su -s /bin/sh tcpdump -c ductctl")
    finally:
        cards.guest.run(f"rm /etc/udev/rules.d/{rule.name}; udevadm control --reload; rmmod duct && modprobe duct")
    assert cards.guest.run("stat -c %a /dev/duct0").strip() == "600"


def test_device_goes_with_the_module(cards):
    cards.guest.run("rmmod duct && ! ls /dev/duct* 2>/dev/null && "
                    "modprobe duct && test -c /dev/duct0 && test -c /dev/duct1")


def test_name_stays_when_the_interface_is_renamed(cards):
    cards.guest.run("ip link set duct1 down; ip link set duct1 name other; ip link set other up")
    listener = cards.listen("duct1")
    assert cards.guest.run("ls /sys/class/misc/duct1/device/net").strip() == "other"
    address = cards.net.cards[1].hwaddr
    cards.run(f"ductio send /dev/duct0 {address:x} 5")
    listener.wait_for(f"{address:08x} 5 7878787878$")
    cards.guest.run("ip link set other down; ip link set other name duct1; ip link set duct1 up")


def test_program_of_32_bits(cards):
    job = cards.start("compat32 /dev/duct0 /dev/duct1")
    job.wait(check=False)
    assert job.status == 0, f"step {job.status}"


def test_program_written_for_openbsd(cards):
    card = cards.card("duct0")
    assert cards.run("openbsd -i duct0") == f"version 2.1, hwaddr {card.hwaddr:08x}\n"
    assert cards.run("openbsd -n 3 duct0 ec60 hello") == f"{ECHO:08x} > {card.hwaddr:08x}, 5: hello\n" * 3
    assert re.fullmatch(rf"{QUOTE:08x} > {card.hwaddr:08x}, \d+: .+\n", cards.run("openbsd duct0 beef ''"))
    assert "DUCTIOC_ADD_MCAST: Invalid argument" in cards.guest.run(
        f"{PROGRAMS}/openbsd -g 5 duct0 ec60 hello 2>&1", check=False)
    assert "count is too large: 1001" in cards.guest.run(
        f"{PROGRAMS}/openbsd -n 1001 duct0 ec60 hello 2>&1", check=False)


def test_program_written_for_openbsd_in_a_group(cards):
    """It joins, asks, and is answered; its filter is on the card meanwhile, and not afterwards."""
    card = cards.card("duct0")
    job = cards.start("openbsd -g 80004711 duct0 bad hello")
    cards.await_filters(card, {(ALL, 0x80004711)})
    cards.run("ductio send /dev/duct1 80004711 5")
    assert job.wait() == f"{cards.card('duct1').hwaddr:08x} > 80004711, 5: xxxxx\n"
    cards.await_filters(card, unwanted={(ALL, 0x80004711)})


@pytest.mark.parametrize("end", ["TERM", "KILL"])
def test_filters_end_with_the_process(cards, end):
    card = cards.card("duct1")
    wanted = {(ALL, 0x80000005), (0xffffff00, 0x80001200)}
    holder = cards.start("ductio hold /dev/duct1 ffffffff/80000005 ffffff00/80001200").wait_for("^ready")
    assert wanted <= cards.net.card(card).filters
    holder.kill(end)
    cards.await_filters(card, unwanted=wanted)


def test_filters_that_two_processes_want(cards):
    card = cards.card("duct1")
    wanted = {(ALL, 0x80000005)}
    first = cards.start("ductio hold /dev/duct1 ffffffff/80000005").wait_for("^ready")
    second = cards.start("ductio hold /dev/duct1 ffffffff/80000005 ffffffff/80000006").wait_for("^ready")
    first.kill("KILL")
    # The card is told of the second one's last filter after that.
    third = cards.start("ductio hold /dev/duct1 ffffffff/80000007").wait_for("^ready")
    assert wanted <= cards.net.card(card).filters
    for job in second, third:
        job.kill("KILL")
    cards.await_own_filters()


def test_filters_are_given_to_the_card_at_up(cards):
    card = cards.card("duct1")
    cards.guest.run("ip link set duct1 down")
    holder = cards.start("ductio hold /dev/duct1 ffffffff/80000005").wait_for("^ready")
    assert not cards.net.card(card).filters
    cards.guest.run("ip link set duct1 up")
    cards.await_filters(card, {(ALL, 0x80000005)})
    cards.guest.run("ip link set duct1 down")
    holder.kill("KILL")
    cards.guest.run("ip link set duct1 up")
    cards.await_own_filters()


def test_promiscuous_mode_does_not_take_a_files_filter_away(cards):
    card = cards.card("duct1")
    holder = cards.start("ductio hold /dev/duct1 ffffffff/80000005").wait_for("^ready")
    cards.guest.run("ip link set duct1 promisc on")
    cards.await_filters(card, {(ALL, 0x80000005), PROMISC})
    cards.guest.run("ip link set duct1 promisc off")
    cards.await_filters(card, {(ALL, 0x80000005)}, {PROMISC})
    holder.kill()


def test_interface_and_file_want_the_same_group(cards):
    """ip maddr and a file: whichever goes first, the filter stays for the other."""
    card = cards.card("duct1")
    for first in "interface", "file":
        cards.guest.run(f"ip maddr add {GROUP_MAC} dev duct1")
        cards.await_filters(card, {GROUP})
        holder = cards.listen("duct1", GROUP)
        if first == "interface":
            cards.guest.run(f"ip maddr del {GROUP_MAC} dev duct1; ip maddr add 01:00:5e:00:00:77 dev duct1")
        else:
            holder.kill()
            cards.guest.run("ip maddr add 01:00:5e:00:00:77 dev duct1")
        # What was asked for last is on the card, so what was asked for before it is done.
        cards.await_filters(card, {group_filter("01:00:5e:00:00:77"), GROUP})
        cards.guest.run("ip maddr del 01:00:5e:00:00:77 dev duct1")
        if first == "interface":
            cards.run(f"ductio send /dev/duct0 {GROUP[1]:x} 3")
            holder.wait_for(f"{GROUP[1]:08x} 3 787878$").kill()
        else:
            cards.guest.run(f"ip maddr del {GROUP_MAC} dev duct1")
        cards.await_own_filters()


def join(guest):
    job = guest.start(f"socat -u UDP4-RECV:{PORT},ip-add-membership={GROUP_IP}:duct0 STDOUT")
    guest.until(f"ss -Hlun sport = :{PORT} | grep -q .; ip maddr show dev duct0 | grep -q {GROUP_IP}")
    return job


def send_to_group(guest, text):
    guest.run(f"echo {text} | socat -u STDIN UDP4-DATAGRAM:{GROUP_IP}:{PORT},ip-multicast-if={guest.ip4}")


@pytest.mark.parametrize("first", ["socket", "file"])
def test_socket_and_file_in_one_group(pair, first):
    """A UDP socket's group and a file's are one filter of the card. Either hears its own kind of packets, and goes on
    doing so when the other has left."""
    def await_group(there):
        pair.net.await_state(lambda state: (GROUP in state.cards[pair.card_b.path].filters) == there)

    socket = join(pair.b)
    await_group(True)
    file = pair.b.start(f"{PROGRAMS}/ductio listen /dev/duct0 ffffffff/{GROUP[1]:x}").wait_for("^ready")
    send_to_group(pair.a, "to both")
    pair.a.run(f"{PROGRAMS}/ductio send /dev/duct0 {GROUP[1]:x} 4")
    socket.wait_for("to both")
    file.wait_for(f"{GROUP[1]:08x} 4 78787878$")
    if first == "socket":
        socket.kill()
        pair.a.run(f"{PROGRAMS}/ductio send /dev/duct0 {GROUP[1]:x} 5")
        file.wait_for(f"{GROUP[1]:08x} 5 7878787878$").kill()
    else:
        file.kill()
        send_to_group(pair.a, "still there")
        socket.wait_for("still there").kill()
    await_group(False)


def test_frames_are_not_for_files(pair):
    """IP, ARP and whatever else has the shim goes to the stack alone."""
    file = pair.b.start(f"{PROGRAMS}/ductio listen /dev/duct0 80000000/80000000").wait_for("^ready")
    pair.a.run(f"ip neigh flush dev duct0; ping -q -c 3 -i 0.02 -W 10 {pair.b.ip4}; ping -q -c 3 -i 0.02 ff02::1%duct0")
    pair.a.run(f"{PROGRAMS}/ductio send /dev/duct0 {pair.card_b.hwaddr:x} 4")
    file.wait_for("787878")
    assert file.kill().splitlines() == ["ready", f"{pair.card_a.hwaddr:08x} {pair.card_b.hwaddr:08x} 4 78787878"]


def test_tcpdump(cards):
    """Both directions, with the addresses and lengths they have, as frames of EtherType 0x88b5."""
    own, other = cards.card("duct0"), cards.card("duct1")
    sizes = (0, 1, 46, 1500, 16384)
    total = 2 * len(sizes)
    watch = cards.guest.start(f"tcpdump -U --immediate-mode -s 0 -c {total} -w /tmp/capture -i duct0 "
                              f"ether proto {NATIVE_TYPE} 2>&1").wait_for("listening on")
    for size in sizes:
        cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} {size}")
        cards.run(f"ductio send /dev/duct1 {own.hwaddr:x} {size}")
    watch.wait()
    capture = bytes.fromhex(cards.guest.run("od -An -v -tx1 /tmp/capture"))

    def frame(destination, source, size):
        macs = bytes.fromhex((destination.mac + source.mac).replace(":", ""))
        return macs + NATIVE_TYPE.to_bytes(2, "big") + size.to_bytes(2, "big") + b"x" * size

    expected = [frame(other, own, size) for size in sizes] + [frame(own, other, size) for size in sizes]
    assert sorted(frames_of(capture)) == sorted(expected)


def test_large_packets_are_copied_once(cards):
    """From the program's memory into the packet; the driver does not have to make one piece of too many."""
    before = cards.counters("duct0")
    cards.run(f"ductio send /dev/duct0 {ECHO:x} 16384 50")
    after = cards.counters("duct0")
    assert after["tx_native"] == before["tx_native"] + 50
    assert after["tx_linearized"] == before["tx_linearized"]


def test_tcpdump_of_a_group(cards):
    watch = cards.guest.start("tcpdump -U --immediate-mode -c 1 -e -n -l -i duct0 ether proto 0x88b5 2>&1")
    watch.wait_for("listening on")
    cards.run("ductio send /dev/duct0 80001234 10")
    said = watch.wait()
    assert f"{cards.card('duct0').mac} > 03:dc:80:00:12:34, ethertype Unknown (0x88b5), length 26" in said


def test_packet_sockets_beside_files(cards):
    """A native frame from a packet socket reaches files, and what a file sends reaches packet sockets."""
    own, other = cards.card("duct0"), cards.card("duct1")
    listener = cards.listen("duct1")
    frame = bytes.fromhex((other.mac + own.mac).replace(":", "")) + NATIVE_TYPE.to_bytes(2, "big") + \
        (5).to_bytes(2, "big") + b"hello" + b"padding"
    cards.guest.put("/tmp/frame", frame)
    cards.guest.run("socat -u OPEN:/tmp/frame INTERFACE:duct0")
    listener.wait_for(f"^{own.hwaddr:08x} {other.hwaddr:08x} 5 68656c6c6f$")
    sniffer = cards.guest.start("socat -u -b 65000 INTERFACE:duct1 STDOUT | od -An -v -tx1 -w22")
    cards.guest.until("grep -q . /proc/net/packet; ss -0nl | grep -q duct1")
    cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} 6")
    listener.wait_for(f"{other.hwaddr:08x} 6 787878787878$")
    wanted = " ".join(f"{octet:02x}" for octet in bytes.fromhex((other.mac + own.mac).replace(":", "")) +
                      NATIVE_TYPE.to_bytes(2, "big") + (6).to_bytes(2, "big") + b"xxxxxx")
    cards.guest.run("kill -INT $(pidof socat)")
    assert wanted in sniffer.wait(check=False)


def test_port_of_a_bridge(cards):
    """A bridge takes the interface's frames, but not the files' packets."""
    own, other = cards.card("duct0"), cards.card("duct1")
    cards.guest.run("ip link add br0 type bridge; ip link set duct1 master br0; ip link set br0 up")
    cards.await_filters(other, {PROMISC})
    listener = cards.listen("duct1")
    cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} 7")
    cards.run("ductio send /dev/duct0 80000001 8")
    cards.run("ductio send /dev/duct0 bad 9")
    cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} 10")
    listener.wait_for(f"{other.hwaddr:08x} 10 ")
    back = cards.listen("duct0")
    cards.run(f"ductio send /dev/duct1 {own.hwaddr:x} 11")
    back.wait_for(f"^{other.hwaddr:08x} {own.hwaddr:08x} 11 ")
    assert [line.split()[2] for line in listener.kill().splitlines()[1:]] == ["7", "10"]
    back.kill()
    cards.guest.run("ip link del br0")


def test_in_another_network_namespace(cards):
    """The device stays where it is; packets go through the interface, wherever that is."""
    own, other = cards.card("duct0"), cards.card("duct1")
    listener = cards.listen("duct1")
    cards.guest.run("ip netns add far; ip link set duct1 netns far; ip -n far link set duct1 up")
    cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} 7")
    listener.wait_for(f"^{own.hwaddr:08x} {other.hwaddr:08x} 7 ")
    back = cards.listen("duct0")
    cards.run(f"ductio send /dev/duct1 {own.hwaddr:x} 8")
    back.wait_for(f"^{other.hwaddr:08x} {own.hwaddr:08x} 8 ")
    listener.kill()
    back.kill()
    cards.guest.run("ip netns del far")
    cards.guest.until("test -d /sys/class/net/duct1")


@pytest.mark.parametrize("size, count, least, most", [(16384, 700, 60, 128), (257, 700, 300, 512),
                                                      (1, 4500, 1200, 3500)])
def test_queue_is_bounded(cards, size, count, least, most):
    """2 MiB of memory a file, whatever the packets' size; what finds no room is counted, and nothing else is lost."""
    other = cards.card("duct1")
    before = cards.counters("duct1")
    state = cards.net.card(other)
    cards.guest.run("rm -f /tmp/end; mkfifo /tmp/end")
    full = cards.guest.start(f"{PROGRAMS}/ductio drain /dev/duct1 </tmp/end")
    cards.guest.run("exec 3>/tmp/end; setsid sleep 1000 >/dev/null 2>&1 & echo $! >/tmp/holder")
    full.wait_for("^ready")
    for _ in range(count // 100):
        cards.run(f"ductio send /dev/duct0 {other.hwaddr:x} {size} 100")
    cards.net.await_state(lambda now: now.cards[other.path]["rx_packets"] + now.cards[other.path]["rx_drop"] >=
                          state["rx_packets"] + state["rx_drop"] + count)
    lost = cards.net.card(other)["rx_drop"] - state["rx_drop"]
    cards.guest.until(f"test $(ethtool -S duct1 | awk '$1 == \"rx_native:\" {{ print $2 }}') -ge "
                      f"{before['rx_native'] + count - lost}")
    cards.guest.run("kill $(cat /tmp/holder)")
    packets, octets = map(int, full.wait().splitlines()[-1].split())
    after = cards.counters("duct1")
    overflow = after["rx_file_overflow"] - before["rx_file_overflow"]
    assert least <= packets <= most
    assert octets == packets * size
    assert packets + overflow + lost == count
    assert after["rx_file_no_memory"] == before["rx_file_no_memory"]
    assert after["rx_native_unclaimed"] == before["rx_native_unclaimed"]


def test_packets_nobody_wants_are_counted(cards):
    before = cards.counters("duct1")
    cards.run(f"ductio send /dev/duct0 {cards.card('duct1').hwaddr:x} 5 10")
    cards.guest.until(f"ethtool -S duct1 | grep -q 'rx_native_unclaimed: {before['rx_native_unclaimed'] + 10}$'")
    listener = cards.listen("duct1")
    cards.run(f"ductio send /dev/duct0 {cards.card('duct1').hwaddr:x} 5 10")
    cards.guest.until(f"ethtool -S duct1 | grep -q 'rx_native: {before['rx_native'] + 20}$'")
    after = cards.counters("duct1")
    assert after["rx_native_unclaimed"] == before["rx_native_unclaimed"] + 10
    assert after["rx_file_overflow"] == before["rx_file_overflow"]
    listener.kill()


def test_native_packets_are_not_dropped_by_the_stack(cards):
    """The stack has seen them when no protocol took them, too."""
    path = "/sys/class/net/duct1/statistics/rx_"
    listener = cards.listen("duct1")
    before = [int(cards.guest.read(path + name)) for name in ("dropped", "nohandler", "packets")]
    cards.run(f"ductio send /dev/duct0 {cards.card('duct1').hwaddr:x} 5 10")
    cards.guest.until(f"test $(cat {path}packets) = {before[2] + 10}")
    assert [int(cards.guest.read(path + name)) for name in ("dropped", "nohandler")] == before[:2]
    listener.kill()


def test_waiting_packets_do_not_hold_up_the_cards_memory(cards):
    """A file that does not read has no page of the receive rings once the interface is down, or the kernel would
    complain of them as long as it is open."""
    pools = PagePools(cards.guest)
    holder = cards.start("ductio hold /dev/duct1").wait_for("^ready")
    counter = cards.counters("duct1")["rx_native"]
    cards.run(f"ductio send /dev/duct0 {cards.card('duct1').hwaddr:x} 16384 20")
    cards.guest.until(f"ethtool -S duct1 | grep -q 'rx_native: {counter + 20}$'")
    cards.guest.run("ip link set duct1 down")
    assert len(pools.in_flight()) == 2
    assert set(pools.in_flight().values()) == {0}, pools.in_flight()
    holder.kill("KILL")
    pools.close()
