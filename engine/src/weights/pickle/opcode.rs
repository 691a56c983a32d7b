//! Opcodes of Python's pickle, protocols 2 to 5, by number.

macro_rules! opcodes {
    (known { $($known:ident = $byte:literal,)* } refused { $($refused:ident = $other:literal,)* }) => {
        $(pub(super) const $known: u8 = $byte;)*

        /// Python's name for an opcode.
        pub(super) fn name(opcode: u8) -> Option<&'static str> {
            match opcode {
                $($byte => Some(stringify!($known)),)*
                $($other => Some(stringify!($refused)),)*
                _ => None,
            }
        }
    };
}

opcodes! {
    known {
        PROTO = 0x80,
        FRAME = 0x95,
        STOP = b'.',
        MARK = b'(',
        POP = b'0',
        POP_MARK = b'1',
        DUP = b'2',
        NONE = b'N',
        NEWTRUE = 0x88,
        NEWFALSE = 0x89,
        BININT = b'J',
        BININT1 = b'K',
        BININT2 = b'M',
        LONG1 = 0x8a,
        LONG4 = 0x8b,
        BINFLOAT = b'G',
        BINUNICODE = b'X',
        SHORT_BINUNICODE = 0x8c,
        BINUNICODE8 = 0x8d,
        EMPTY_LIST = b']',
        LIST = b'l',
        APPEND = b'a',
        APPENDS = b'e',
        EMPTY_TUPLE = b')',
        TUPLE = b't',
        TUPLE1 = 0x85,
        TUPLE2 = 0x86,
        TUPLE3 = 0x87,
        EMPTY_DICT = b'}',
        DICT = b'd',
        SETITEM = b's',
        SETITEMS = b'u',
        GLOBAL = b'c',
        STACK_GLOBAL = 0x93,
        REDUCE = b'R',
        BUILD = b'b',
        BINPERSID = b'Q',
        BINPUT = b'q',
        LONG_BINPUT = b'r',
        MEMOIZE = 0x94,
        BINGET = b'h',
        LONG_BINGET = b'j',
    }
    refused {
        INST = b'i',
        OBJ = b'o',
        NEWOBJ = 0x81,
        NEWOBJ_EX = 0x92,
        EXT1 = 0x82,
        EXT2 = 0x83,
        EXT4 = 0x84,
        PERSID = b'P',
        INT = b'I',
        LONG = b'L',
        FLOAT = b'F',
        STRING = b'S',
        UNICODE = b'V',
        BINSTRING = b'T',
        SHORT_BINSTRING = b'U',
        BINBYTES = b'B',
        SHORT_BINBYTES = b'C',
        BINBYTES8 = 0x8e,
        BYTEARRAY8 = 0x96,
        NEXT_BUFFER = 0x97,
        READONLY_BUFFER = 0x98,
        EMPTY_SET = 0x8f,
        ADDITEMS = 0x90,
        FROZENSET = 0x91,
        PUT = b'p',
        GET = b'g',
    }
}
