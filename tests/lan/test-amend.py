#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""What is said about earlier messages: corrected, taken back, answered, reacted to, seen. By friends, and by who has no say in it."""
import re

import foe
import rig
from gi.repository import GLib
from people import (befriend, error_of, fingerprint, log, queued, received, send, state_of, wait_received, wait_sight, wait_state, with_key)

PORT = 5298
NS = {"replace": "urn:xmpp:message-correct:0", "retract": "urn:xmpp:message-retract:1", "reactions": "urn:xmpp:reactions:0",
      "displayed": "urn:xmpp:chat-markers:0"}


def pair(lan):
    juliet, romeo = lan.host("pronto", avahi="embedded"), lan.host("forza", avahi="embedded")
    juliet.start_daemon(name="juliet", port=PORT)
    romeo.start_daemon(name="romeo")
    at_juliet, at_romeo = befriend(juliet.me, romeo.me)
    wait_sight(juliet.me, "romeo")
    wait_sight(romeo.me, "juliet")
    return juliet.me, romeo.me, at_juliet, at_romeo


def get(user, message):
    return user.call("", "Messages", "Get", GLib.Variant("(s)", (message,)))[0]


def react(user, contact, message, *emojis):
    return user.call("", "Messages", "React", GLib.Variant("(osas)", (contact, message, emojis)))[0]


def retract(user, message):
    return user.call("", "Messages", "Retract", GLib.Variant("(s)", (message,)))[0]


def mark_all_read(user, contact):
    user.call(contact, "Conversation", "MarkRead", GLib.Variant("(t)", (user.get_prop(contact, "Conversation", "LastSeq"),)))


def about(kind, message, content="", id="x1", body=""):
    return "<message type='chat' id='%s'>%s<%s xmlns='%s' id='%s'>%s</%s><request xmlns='urn:xmpp:receipts'/></message>" % (
        id, body and "<body>%s</body>" % body, kind, NS[kind], message, content, kind)


def answer(stream, id):
    """received, or the condition of the error, for what was sent under that id."""
    said = stream.until(b"</message>")
    while b"<received xmlns='urn:xmpp:receipts' id='%s'" % id.encode() not in said and b"id='%s'" % id.encode() not in said:
        said = stream.until(b"</message>")
    found = re.search(rb"<error [^>]*><([a-z-]+)", said)
    return found.group(1).decode() if found else "received"


@rig.test
def a_third_contact_has_no_say(lan):
    """M-10 M-06: a contact that knows the ids corrects, retracts, reacts to and marks nothing of another's; its own it may, once"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    theirs = send(romeo, at_romeo, "what Romeo said")[0]
    wait_received(juliet, ["what Romeo said"])
    ours = send(juliet, at_juliet, "what Juliet said")[0]
    wait_state(juliet, ours, "delivered")
    mallory = lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "mallory")
    path = juliet.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", key.fingerprint, [], {})))[0]
    stream = foe.Stream(mallory, key, "mallory@m", (juliet.host.address, PORT)).open()
    for n, message in enumerate((theirs, ours)):
        for kind, content, body, wanted in (("replace", "", "forged", "item-not-found"), ("reactions", "<reaction>👎</reaction>", "", "item-not-found"),
                                            ("retract", "", "", "received"), ("displayed", "", "marked", "received")):
            id = "%s%d" % (kind, n)
            stream.send(about(kind, message, content, id, body))
            assert answer(stream, id) == wanted, (kind, message)
    # Words as a reaction, two things at once, an id without end: refused, all.
    for n, text in enumerate((about("reactions", theirs, "<reaction>buy</reaction>", "bad0"), about("retract", theirs, "", "bad1").replace(
            "<request", "<replace xmlns='%s' id='a'/><request" % NS["replace"]), about("retract", "a" * 300, "", "bad2"))):
        stream.send(text)
        assert answer(stream, "bad%d" % n) == "bad-request"
    assert get(juliet, theirs)["body"] == "what Romeo said" and get(juliet, ours)["body"] == "what Juliet said"
    for message in (theirs, ours):
        assert not {"edited", "retracted", "reactions"} & set(get(juliet, message)), get(juliet, message)
    assert state_of(juliet, ours)[0] == "delivered"
    assert [entry for entry in log(juliet, kinds=("edit", "retract", "reaction"))] == []
    # Its own words it may correct; the same again is confirmed and not told twice. A reply into another conversation is a message.
    stream.send(stream.message("own", "first") + about("replace", "own", "", "own2", "second"))
    assert answer(stream, "own2") == "received"
    stream.send(about("replace", "own", "", "own2", "second"))
    assert answer(stream, "own2") == "received"
    stream.send(stream.message("own3", "a quote", "<reply xmlns='urn:xmpp:reply:0' id='%s'/><request xmlns='urn:xmpp:receipts'/>" % theirs))
    assert answer(stream, "own3") == "received"
    assert "reply_to" not in get(juliet, "own3")
    assert received(juliet, path)[-2:] == ["second", "a quote"] and len(log(juliet, path, ("edit",))) == 1
    # The friend still has his say.
    edit = send(romeo, at_romeo, "what Romeo meant", edit_of=theirs)[0]
    wait_state(romeo, edit, "delivered")
    assert get(juliet, theirs)["body"] == "what Romeo meant" and get(juliet, theirs)["edited"] > 0


@rig.test
def friends_amend(lan):
    """M-01 M-04: corrections, reactions and retractions to the absent survive kill -9 on both sides and arrive once; what was read is told"""
    juliet, romeo, at_juliet, at_romeo = pair(lan)
    first = send(romeo, at_romeo, "helo")[0]
    second = send(romeo, at_romeo, "an unspeakable word")[0]
    wait_received(juliet, ["helo", "an unspeakable word"])
    mark_all_read(juliet, at_juliet)
    wait_state(romeo, second, "displayed")
    assert state_of(romeo, first)[0] == "displayed"
    # She is away; he goes on, and his daemon dies over it.
    juliet.kill9()
    edit = send(romeo, at_romeo, "hello", edit_of=first)[0]
    again = send(romeo, at_romeo, "hello!", edit_of=edit)[0]
    gone = retract(romeo, second)
    thumb = react(romeo, at_romeo, first, "👍", "❤️")
    assert error_of(retract, romeo, second) == "NotFound"
    assert error_of(send, romeo, at_romeo, "x", edit_of=second) == "NotFound"
    assert error_of(react, romeo, at_romeo, first, "buy now") == "InvalidArgument"
    romeo.kill9()
    romeo.restart()
    # What is cancelled goes with its corrections: she never sees either.
    unsaid = send(romeo, at_romeo, "unsaid")[0]
    better = send(romeo, at_romeo, "better unsaid", edit_of=unsaid)[0]
    romeo.call("", "Messages", "Cancel", GLib.Variant("(s)", (unsaid,)))
    assert state_of(romeo, unsaid)[0] == state_of(romeo, better)[0] == "cancelled"
    romeo.call("", "Messages", "Delete", GLib.Variant("(asa{sv})", ([unsaid], {})))
    juliet.restart()
    for id in (edit, again, gone, thumb):
        wait_state(romeo, id, "delivered", 60)
    assert queued(romeo) == 0
    message = get(juliet, first)
    assert message["body"] == "hello!" and message["edited"] > 0
    assert message["reactions"] == [(at_juliet, ["👍", "❤️"])], message
    assert get(juliet, second)["body"] == "" and get(juliet, second)["retracted"] > 0
    kinds = [entry[2] for entry in log(juliet, at_juliet, ("edit", "retract", "reaction"))]
    assert kinds == ["edit", "edit", "retract", "reaction"], kinds
    assert error_of(get, juliet, unsaid) == error_of(get, juliet, better) == "NotFound"
    found = juliet.call("", "Messages", "List", GLib.Variant("(otua{sv})", ("/", 0, 10, {"words": GLib.Variant("s", "unspeakable")})))[0]
    assert found == [], found
    # And back: an answer, and a reaction that is taken back.
    reply = send(juliet, at_juliet, "yes?", reply_to=first)[0]
    react(juliet, at_juliet, first, "🎉")
    last = react(juliet, at_juliet, first)
    wait_state(juliet, last, "delivered")
    assert get(romeo, reply)["reply_to"] == first
    assert get(romeo, first)["reactions"] == [("/", ["👍", "❤️"])]
    # The same by hand.
    by_hand = romeo.ctl("edit", "juliet@pronto", "hello, by hand", "--json", check=True)
    wait_state(romeo, by_hand["id"], "delivered")
    juliet.ctl("react", "romeo@forza", "last", "🎉", check=True)
    romeo.wait_for(lambda: "hello, by hand" in romeo.ctl("log", "juliet@pronto", check=True), 15, "the log to show it")
    assert get(juliet, first)["body"] == "hello, by hand"
    # Who does not want to tell, does not.
    romeo.set_prop("", "Manager", "SendMarkers", GLib.Variant("b", False))
    mark_all_read(romeo, at_romeo)
    wait_state(juliet, reply, "delivered")
    check = send(romeo, at_romeo, "after it")[0]
    wait_state(romeo, check, "delivered")
    assert state_of(juliet, reply)[0] == "delivered"


@rig.test
def on_the_wire(lan):
    """M-13 P-18 M-02: what leaves has the form of the XEPs, with a text for who knows no better; what is listed is answered, no more is told"""
    juliet = lan.host("pronto", avahi="embedded")
    juliet.start_daemon(name="juliet", port=PORT)
    user, mallory = juliet.me, lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "mallory")
    path = user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("", key.fingerprint, [], {})))[0]
    user.set_prop("", "Manager", "Nick", GLib.Variant("s", "Jule"))
    stream = foe.Stream(mallory, key, "mallory@m", (juliet.address, PORT)).open()
    listed = stream.features + ask(stream, "<query xmlns='http://jabber.org/protocol/disco#info'/>")
    for feature in ("message-correct:0", "message-retract:1", "reactions:0", "reply:0", "fallback:0", "chat-markers:0", "styling:0", "time"):
        assert b"var='urn:xmpp:%s'" % feature.encode() in listed, feature
    for feature in ("jabber:x:oob", "jabber:iq:version", "jabber:iq:last", "http://jabber.org/protocol/nick"):
        assert b"var='%s'" % feature.encode() in listed, feature
    assert b"<tzo>+00:00</tzo>" in ask(stream, "<time xmlns='urn:xmpp:time'/>")
    told = ask(stream, "<query xmlns='jabber:iq:version'/>")
    assert b"<name>Earshot</name>" in told and b"<os>" not in told, told
    assert b"<forbidden" in ask(stream, "<query xmlns='jabber:iq:last'/>")
    user.set_prop("", "Manager", "ShareIdle", GLib.Variant("b", True))
    assert re.search(rb"seconds='[0-9]+'", ask(stream, "<query xmlns='jabber:iq:last'/>"))
    # Each form once; a receipt lets the next one go without a doubt.
    stream.send(stream.message("theirs", "hi", "<markable xmlns='urn:xmpp:chat-markers:0'/><request xmlns='urn:xmpp:receipts'/>"))
    stream.receipts(1)
    first, _ = send(user, path, "helo")
    said = heard(stream, first)
    assert b"<markable xmlns='urn:xmpp:chat-markers:0'" in said and b">Jule</nick>" in said and b"<origin-id" in said, said
    said = heard(stream, send(user, path, "hello", edit_of=first)[0])
    assert b"<replace xmlns='urn:xmpp:message-correct:0' id='%s'" % first.encode() in said and b"<body>hello</body>" in said, said
    said = heard(stream, send(user, path, "yes", reply_to="theirs")[0])
    assert b"<reply xmlns='urn:xmpp:reply:0' id='theirs'" in said and b"nick" not in said, said
    said = heard(stream, react(user, path, "theirs", "👍"))
    assert "<reaction>👍</reaction>".encode() in said and b"for='urn:xmpp:reactions:0'" in said and "<body>👍</body>".encode() in said, said
    said = heard(stream, retract(user, first))
    assert b"<retract xmlns='urn:xmpp:message-retract:1' id='%s'" % first.encode() in said and b"for='urn:xmpp:message-retract:1'" in said, said
    assert b"hello" not in said
    mark_all_read(user, path)
    stream.until(b"<displayed xmlns='urn:xmpp:chat-markers:0' id='theirs'")
    # A fallback is stripped where the better form is known, and nothing is fetched.
    stream.send(stream.message("late", "&gt; yes\nfine", "<reply xmlns='urn:xmpp:reply:0' id='theirs'/><fallback xmlns='urn:xmpp:fallback:0' "
                               "for='urn:xmpp:reply:0'><body start='0' end='6'/></fallback><x xmlns='jabber:x:oob'><url>https://x.example/</url></x>"))
    stream.ping()
    user.wait_for(lambda: "fine" in received(user, path), 15, "the answer")
    message = get(user, "late")
    assert message["reply_to"] == "theirs" and message["url"] == "https://x.example/", message


def shown(user, message):
    data = get(user, message)
    return data["body"], "edited" in data, data.get("change_state", ""), data.get("change_reason", "")


@rig.test
def what_does_not_arrive_is_undone(lan):
    """M-08: a correction that bounces or expires is not shown as if it had arrived, a retraction says so and may be asked for again; what is deleted is not said; what was taken back is not unread"""
    juliet = lan.host("pronto", avahi="embedded")
    juliet.start_daemon(name="juliet", port=PORT)
    user, mallory = juliet.me, lan.host("mallory", avahi="none")
    key = foe.Key(lan.dir, "mallory")
    path = user.manager("AddContact", GLib.Variant("(ssasa{sv})", ("mallory", key.fingerprint, [], {})))[0]
    stream = foe.Stream(mallory, key, "mallory@m", (juliet.address, PORT)).open()

    def refused(id, condition):
        said = stream.until(b"</message>")
        while b"id='%s'" % id.encode() not in said:
            said = stream.until(b"</message>")
        stream.send("<message type='error' id='%s'><error type='cancel'><%s xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>" % (id, condition))
        wait_state(user, id, "failed")

    first = send(user, path, "first")[0]
    heard(stream, first)
    refused(send(user, path, "second", edit_of=first)[0], "not-acceptable")
    assert shown(user, first) == ("first", False, "failed", "not-acceptable"), shown(user, first)
    assert "correction failed, not-acceptable]  first" in user.ctl("log", "mallory", check=True)
    refused(react(user, path, first, "👍"), "not-acceptable")
    assert "reactions" not in get(user, first)
    arrived = send(user, path, "third", edit_of=first)[0]
    heard(stream, arrived)
    wait_state(user, arrived, "delivered")
    assert shown(user, first) == ("third", True, "", "")
    refused(retract(user, first), "not-allowed")
    assert shown(user, first)[::2] == ("", "failed") and get(user, first)["retracted"] > 0, get(user, first)
    again = retract(user, first)
    heard(stream, again)
    wait_state(user, again, "delivered")
    assert shown(user, first)[2] == "" and error_of(retract, user, first) == "NotFound"
    # What is read there and then taken back.
    stream.send(stream.message("one", "unread", "<request xmlns='urn:xmpp:receipts'/>") + stream.message("two", "unread, too", "<request xmlns='urn:xmpp:receipts'/>"))
    user.wait_for(lambda: user.get_prop("", "Messages", "Unread") == 2, 15, "two unread messages")
    stream.send(about("retract", "one"))
    user.wait_for(lambda: user.get_prop("", "Messages", "Unread") == 1 and user.get_prop(path, "Conversation", "Unread") == 1, 15, "one of them to go")
    # To the absent: what expires, and what is deleted. The daemon dies in between.
    second = send(user, path, "to be deleted")[0]
    heard(stream, second)
    wait_state(user, second, "delivered")
    stream.close()
    user.wait_for(lambda: not user.get_prop(path, "Contact", "Connected"), 30, "the stream to end")
    late = send(user, path, "never", edit_of=second, expires=GLib.get_real_time() + 500000)[0]
    wait_state(user, late, "expired")
    assert shown(user, second) == ("to be deleted", False, "expired", "expired"), shown(user, second)
    send(user, path, "never, either", edit_of=second)
    assert shown(user, second)[:3] == ("never, either", True, "queued")
    user.call("", "Messages", "Delete", GLib.Variant("(asa{sv})", ([second, "two"], {})))
    assert error_of(get, user, second) == "NotFound" and queued(user) == 0
    assert user.get_prop("", "Messages", "Unread") == 0
    user.kill9()
    user.restart()
    assert error_of(get, user, second) == "NotFound" and queued(user) == 0 and user.get_prop("", "Messages", "Unread") == 0


def ask(stream, payload):
    stream.asked = getattr(stream, "asked", 0) + 1
    stream.send("<iq type='get' id='ask%d'>%s</iq>" % (stream.asked, payload))
    return stream.until(b"id='ask%d'" % stream.asked) + stream.until(b"</iq>")


def heard(stream, id):
    """The message under that id, which is then confirmed."""
    said = stream.until(b"</message>")
    while b"id='%s'" % id.encode() not in said:
        said = stream.until(b"</message>")
    stream.send("<message type='chat'><received xmlns='urn:xmpp:receipts' id='%s'/></message>" % id)
    return said


if __name__ == "__main__":
    rig.main()
