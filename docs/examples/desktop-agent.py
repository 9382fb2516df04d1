#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""An agent for the desktop: questions about trust become notifications. Accepting takes two looks; Later, or closing it, leaves it waiting."""
from gi.repository import Gio, GLib

NAME, ROOT, PATH = 'im.earshot.Earshot1', '/im/earshot/Earshot1', '/im/earshot/example/agent'
NOTIFY, NOTIFY_PATH = 'org.freedesktop.Notifications', '/org/freedesktop/Notifications'
XML = '''<node><interface name='im.earshot.Earshot1.Agent'>
<method name='Present'><arg type='o' direction='in'/><arg type='s' direction='in'/><arg type='a{sv}' direction='in'/></method>
<method name='Withdraw'><arg type='o' direction='in'/><arg type='s' direction='in'/></method>
<method name='Release'/></interface></node>'''
# What raises trust is asked twice, with the key to compare in between. Words that are not here are not offered.
RAISES = {'accept': 'Accept…', 'replace': 'Take the new key…', 'separate': 'Another person…', 'allow': 'Allow without encryption…',
          'read': 'Let it read…', 'send': 'Let it read and send…'}
LOWERS = {'reject': 'Reject', 'refuse': 'Refuse', 'deny': 'Deny'}
TITLES = {'new-key': 'Somebody new wants to talk', 'name-conflict': 'A name you know, under another key',
          'legacy-peer': 'Somebody without encryption wants to talk', 'introduction': 'Somebody is introduced to you',
          'app-access': 'A program in a sandbox asks', 'verification': 'Somebody wants to compare codes'}
bus = Gio.bus_get_sync(Gio.BusType.SESSION)
shown, questions = {}, {}  # notification -> object; object -> (kind, details, choices)


def call(name, path, method, types='()', *args):
    return bus.call_sync(name, path, *method.rsplit('.', 1), GLib.Variant(types, args), None, 0, -1).unpack()


def plain(text):
    """A stranger's words: one line, nothing that turns or hides text, and no markup, whether or not the desktop would read it as such."""
    return GLib.markup_escape_text(''.join(c if c.isprintable() else '\N{REPLACEMENT CHARACTER}' for c in text[:200]))


def groups(digits):
    return ' '.join(digits[i:i + 8] for i in range(0, len(digits), 8))


def describe(kind, details):
    name, link = plain(details.get('name', '')), details.get('link', '')
    if kind == 'app-access':
        return f"{plain(details.get('app', ''))} wants to {details.get('wants', 'read')}"
    lines = [f"“{name}”" + (f' on {plain(link)}' if link else '')]
    if kind == 'name-conflict':
        lines.append(f"You know {plain(details.get('old_name', ''))} by ANOTHER KEY: {groups(details.get('old_fingerprint', ''))}")
    if details.get('forgotten'):
        lines.append('You forgot this key once.')
    lines += [f"| {plain(message.get('body', ''))}" for message in details.get('preview', [])[:3]]
    return '\n'.join(lines)


def notify(path, title, body, actions):
    try:
        flat = [word for pair in actions for word in pair]
        number, = call(NOTIFY, NOTIFY_PATH, f'{NOTIFY}.Notify', '(susssasa{sv}i)', 'Earshot', 0, 'dialog-question', title, body, flat,
                       {'urgency': GLib.Variant('y', 2), 'resident': GLib.Variant('b', False)}, 0)
        shown[number] = path
    except GLib.Error as error:  # no notification daemon: the question waits, xmppctl trust pending has it
        print('no notifications:', error.message, flush=True)


def show(path):
    kind, details, choices = questions[path]
    actions = [(f'ask:{word}', label) for word, label in RAISES.items() if word in choices]
    actions += [(f'do:{word}', label) for word, label in LOWERS.items() if word in choices]
    notify(path, TITLES[kind], describe(kind, details), actions + [('later', 'Later')])


def show_again(path, choice):
    """The second look: what is to be compared, and a word that says what happens."""
    kind, details, choices = questions[path]
    fingerprint = details.get('fingerprint', '')
    body = describe(kind, details)
    if fingerprint:
        body += f'\nKey: {groups(fingerprint)}\nCompare it with the other screen, not over this network.'
    notify(path, RAISES[choice].rstrip('…') + '?', body, [(f'do:{choice}', f'Yes, {choice}'), ('later', 'Later')])


def close(path):
    for number in [n for n, p in shown.items() if p == path]:
        del shown[number]
        try:
            call(NOTIFY, NOTIFY_PATH, f'{NOTIFY}.CloseNotification', '(u)', number)
        except GLib.Error:
            pass


def resolve(path, choice):
    details = questions[path][1]
    options = {}
    if choice in RAISES and 'fingerprint' in details:  # the whole key that was on the screen, so that no other can take its place
        options['fingerprint'] = GLib.Variant('s', details['fingerprint'])
    try:
        call(NAME, path, f'{NAME}.Request.Resolve', '(sa{sv})', choice, options)
        print('resolved', choice, flush=True)
    except GLib.Error as error:  # answered elsewhere, or refused: nothing was changed here
        print('not resolved:', Gio.DBusError.get_remote_error(error), flush=True)


def on_action(_bus, _sender, _path, _interface, _signal, parameters):
    number, action = parameters.unpack()
    path = shown.pop(number, None)
    if path not in questions:
        return
    verb, _, choice = action.partition(':')
    close(path)
    if verb == 'ask' and choice in RAISES:
        show_again(path, choice)
    elif verb == 'do' and choice in questions[path][2]:
        resolve(path, choice)


def on_closed(_bus, _sender, _path, _interface, _signal, parameters):
    shown.pop(parameters.unpack()[0], None)  # not a decision


def on_call(_bus, sender, _path, _interface, method, parameters, invocation):
    if sender != daemon:  # only earshotd presents
        invocation.return_dbus_error('org.freedesktop.DBus.Error.AccessDenied', 'only earshotd may')
        return
    invocation.return_value(None)
    if method == 'Present':
        path, kind, details = parameters.unpack()
        if kind not in TITLES:
            return  # of a later version: the question waits
        close(path)
        if kind == 'verification':
            questions[path] = (kind, details, [])
            notify(path, TITLES[kind], f"{plain(details['name'])}\nxmppctl verify {details['fingerprint'][:16]}", [('later', 'Later')])
            return
        try:
            choices, = call(NAME, path, 'org.freedesktop.DBus.Properties.Get', '(ss)', f'{NAME}.Request', 'Choices')
        except GLib.Error:
            return  # it is gone already
        questions[path] = (kind, details, choices)
        show(path)
    elif method == 'Withdraw':
        path, reason = parameters.unpack()
        questions.pop(path, None)
        close(path)


def on_daemon(_bus, _name, owner):
    global daemon
    daemon = owner
    for path in list(questions):
        close(path)
    questions.clear()  # what is still open is presented again
    try:
        call(NAME, ROOT, f'{NAME}.Manager.RegisterAgent', '(osa{sv})', PATH, 'interactive', {})
        print('listening', flush=True)
    except GLib.Error as error:  # it went again, there are 32 agents, or we run in a sandbox without leave
        print('no agent:', error.message, flush=True)


def on_daemon_gone(_bus, _name):
    for path in list(questions):
        close(path)
    questions.clear()


def on_notifications(_bus, _name, _owner):
    shown.clear()
    for path in questions:  # it came, or came back: say again what is open
        if questions[path][0] != 'verification':
            show(path)


daemon = ''
bus.register_object(PATH, Gio.DBusNodeInfo.new_for_xml(XML).interfaces[0], on_call, None, None)
bus.signal_subscribe(NOTIFY, NOTIFY, 'ActionInvoked', NOTIFY_PATH, None, 0, on_action)
bus.signal_subscribe(NOTIFY, NOTIFY, 'NotificationClosed', NOTIFY_PATH, None, 0, on_closed)
Gio.bus_watch_name_on_connection(bus, NOTIFY, Gio.BusNameWatcherFlags.AUTO_START, on_notifications, None)
Gio.bus_watch_name_on_connection(bus, NAME, Gio.BusNameWatcherFlags.AUTO_START, on_daemon, on_daemon_gone)
GLib.MainLoop().run()
