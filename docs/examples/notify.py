#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A notifier in fifty lines: what arrives becomes a desktop notification, or a line where there is no desktop. Ends with the bus."""
from gi.repository import Gio, GLib

NAME, ROOT, CONSUMER = 'im.earshot.Earshot1', '/im/earshot/Earshot1', 'example-notify'
bus = Gio.bus_get_sync(Gio.BusType.SESSION)

def call(name, path, method, types='()', *args):
    return bus.call_sync(name, path, *method.rsplit('.', 1), GLib.Variant(types, args), None, 0, -1).unpack()

def daemon(method, types='()', *args, path=ROOT):
    return call(NAME, path, f'{NAME}.{method}', types, *args)

def who(conversation):
    return call(NAME, conversation, 'org.freedesktop.DBus.Properties.Get', '(ss)', f'{NAME}.Contact', 'DisplayName')[0]

def show(title, body):
    # Names and texts are a stranger's: never markup. The summary is plain text by the standard, the body may be read as markup.
    try:
        call('org.freedesktop.Notifications', '/org/freedesktop/Notifications', 'org.freedesktop.Notifications.Notify',
             '(susssasa{sv}i)', 'Earshot', 0, 'mail-message-new', title, GLib.markup_escape_text(body[:500]), [], {}, -1)
    except GLib.Error:
        print(repr(title), repr(body), flush=True)  # repr(): never raw to a terminal

def receive(*_):
    more = True
    while more:
        entries, last, more = daemon('Messages.Fetch', '(sua{sv})', CONSUMER, 100, {})
        for seq, time, kind, conversation, message, data in entries:
            if kind == 'message' and data['direction'] == 'in':
                show(who(conversation), data['body'])
        if entries:
            daemon('Messages.Ack', '(st)', CONSUMER, last)

def begin(*_):  # at our start and whenever the daemon comes back; a signal missed meanwhile costs nothing
    daemon('Messages.CreateConsumer', '(sa{sv})', CONSUMER, {})
    print('listening', flush=True)
    receive()

bus.signal_subscribe(NAME, f'{NAME}.Messages', 'Appended', ROOT, None, 0, receive)
Gio.bus_watch_name_on_connection(bus, NAME, Gio.BusNameWatcherFlags.AUTO_START, begin, None)
GLib.MainLoop().run()
