#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""A front end in forty lines: peers | requests | accept FINGERPRINT | send PEER TEXT | receive [--follow]"""
import sys
from gi.repository import Gio, GLib

NAME, ROOT = 'im.earshot.Earshot1', '/im/earshot/Earshot1'
bus = Gio.bus_get_sync(Gio.BusType.SESSION)

def call(path, method, types='()', *args):
    interface = method if method.startswith('org.') else f'{NAME}.{method}'
    return bus.call_sync(NAME, path, *interface.rsplit('.', 1), GLib.Variant(types, args), None, 0, -1).unpack()

def objects(interface):
    everything = call(ROOT, 'org.freedesktop.DBus.ObjectManager.GetManagedObjects')[0]
    return {path: has[f'{NAME}.{interface}'] for path, has in everything.items() if f'{NAME}.{interface}' in has}

def receive(*_):  # at least once: what was printed but not acknowledged is printed again
    more = True
    while more:
        entries, last, more = call(ROOT, 'Messages.Fetch', '(sua{sv})', 'example', 100, {})
        for seq, time, kind, conversation, message, data in entries:
            if kind == 'message':  # repr(): what people write is never sent raw to a terminal
                print(data['direction'], objects('Contact')[conversation]['DisplayName'], repr(data['body']), flush=True)
        if entries:
            call(ROOT, 'Messages.Ack', '(st)', 'example', last)

match sys.argv[1:]:
    case ['peers']:
        for peer in objects('Contact').values():
            print(peer['Trust'], peer['Reach'], repr(peer['DisplayName']), peer['ClaimedAddress'])
    case ['requests']:
        for request in objects('Request').values():
            print(request['Kind'], objects('Key')[request['Key']]['Fingerprint'], request['Details'])
    case ['accept', fingerprint]:  # the whole fingerprint, so that nobody accepts a key that was not looked at
        path = next(p for p, r in objects('Request').items() if r['Key'].endswith(f'/{fingerprint}'))
        call(path, 'Request.Resolve', '(sa{sv})', 'accept', {'fingerprint': GLib.Variant('s', fingerprint)})
    case ['send', peer, text]:  # returns when the message is on disk; the daemon does the rest
        contact, = call(ROOT, 'Manager.FindContact', '(s)', peer)
        print(*call(ROOT, 'Messages.Send', '(osa{sv})', contact, text, {}))
    case ['receive', *follow]:
        call(ROOT, 'Messages.CreateConsumer', '(sa{sv})', 'example', {'from_start': GLib.Variant('b', True)})
        bus.signal_subscribe(NAME, f'{NAME}.Messages', 'Appended', ROOT, None, 0, receive)
        receive()
        if follow:
            GLib.MainLoop().run()
    case _:
        sys.exit(__doc__)
