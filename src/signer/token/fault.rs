//! What a module's return values mean for us: one table.

use std::fmt;

use cryptoki::{
    context::Function,
    error::{Error, RvError},
};

/// A function of a module that did not succeed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    /// `C_Sign` and the like, where one was called.
    function: Option<String>,
    /// The module's answer.
    code: Option<RvError>,
    /// The same in words, where there is no code.
    words: String,
}

impl Fault {
    /// The return value, where the module gave one.
    pub(super) const fn code(&self) -> Option<RvError> {
        self.code
    }

    /// A call that ended in a panic of ours: the module said something impossible.
    pub(super) fn impossible() -> Self {
        Self {
            function: None,
            code: None,
            words: "a length or a value that cannot be".to_owned(),
        }
    }

    /// This answer of C_Sign.
    #[cfg(test)]
    pub(super) fn of(code: RvError) -> Self {
        Self::from(Error::Pkcs11(code, Function::Sign))
    }

    pub(super) const fn remedy(&self) -> Remedy {
        match self.code {
            Some(code) => remedy(code),
            // A null pointer for a function, or a value that makes no sense.
            None => Remedy::NewSession,
        }
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        match error {
            Error::Pkcs11(code, function) => Self {
                function: Some(name(function)),
                code: Some(code),
                words: String::new(),
            },
            other => Self {
                function: None,
                code: None,
                words: other.to_string(),
            },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.function, self.code) {
            (Some(function), Some(code)) => {
                write!(f, "{function} of the module failed with {}", ckr(code))
            }
            _ => write!(f, "the module's answer is of no use: {}", self.words),
        }
    }
}

/// `C_Sign`, as the standard has it.
fn name(function: Function) -> String {
    format!("C_{function:?}")
}

/// `CKR_DEVICE_ERROR`, as the standard and every vendor's manual have it.
fn ckr(code: RvError) -> String {
    match code {
        RvError::VendorDefined(code) => {
            format!("the vendor's code {code:#x} (see the vendor's manual)")
        }
        RvError::UnknownErrorCode(code) => format!("the unknown code {code:#x}"),
        known => {
            let mut name = String::from("CKR");
            for letter in format!("{known:?}").chars() {
                if letter.is_ascii_uppercase() {
                    name.push('_');
                }
                name.push(letter.to_ascii_uppercase());
            }
            name
        }
    }
}

/// The least that may help against a fault, in the order of the ladder.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) enum Remedy {
    /// Nothing that we can do: it would only be asked again for the same answer.
    None,
    /// A new session, in which we are logged in and the key is found again.
    NewSession,
    /// C_Finalize and C_Initialize.
    Reinitialise,
}

/// The table. What is not in it is a vendor's or new, and everything is tried.
const fn remedy(code: RvError) -> Remedy {
    match code {
        // What is asked for cannot be had, today or tomorrow, until somebody changes something.
        RvError::PinIncorrect
        | RvError::PinInvalid
        | RvError::PinLenRange
        | RvError::PinExpired
        | RvError::PinLocked
        | RvError::PinTooWeak
        | RvError::UserPinNotInitialized
        | RvError::UserTypeInvalid
        | RvError::UserAnotherAlreadyLoggedIn
        | RvError::UserTooManyTypes
        | RvError::TokenWriteProtected
        | RvError::CurveNotSupported
        | RvError::CantLock
        | RvError::NeedToCreateThreads
        | RvError::FunctionNotSupported
        | RvError::ActionProhibited
        | RvError::AttributeReadOnly
        | RvError::TemplateIncomplete
        | RvError::TemplateInconsistent => Remedy::None,

        // The session, or what it holds, is not what it was.
        RvError::SessionClosed
        | RvError::SessionCount
        | RvError::SessionHandleInvalid
        | RvError::SessionParallelNotSupported
        | RvError::SessionReadOnly
        | RvError::SessionExists
        | RvError::SessionReadOnlyExists
        | RvError::SessionReadWriteSoExists
        | RvError::OperationActive
        | RvError::OperationNotInitialized
        | RvError::KeyHandleInvalid
        | RvError::ObjectHandleInvalid
        | RvError::KeyChanged
        | RvError::UserNotLoggedIn
        | RvError::UserAlreadyLoggedIn
        | RvError::FunctionFailed
        | RvError::FunctionCanceled
        | RvError::FunctionRejected
        | RvError::Cancel
        | RvError::BufferTooSmall
        | RvError::ArgumentsBad
        | RvError::DataInvalid
        | RvError::DataLenRange
        | RvError::SignatureInvalid
        | RvError::SignatureLenRange
        | RvError::AttributeSensitive
        | RvError::AttributeTypeInvalid
        | RvError::AttributeValueInvalid
        | RvError::KeyFunctionNotPermitted
        | RvError::KeySizeRange
        | RvError::KeyTypeInconsistent
        | RvError::MechanismInvalid
        | RvError::MechanismParamInvalid
        | RvError::HostMemory
        | RvError::DeviceMemory => Remedy::NewSession,

        // The token, the way to it, or the library itself: and everything else.
        _ => Remedy::Reinitialise,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_told_as_manuals_have_them() {
        for (code, text) in [
            (
                RvError::DeviceError,
                "C_Sign of the module failed with CKR_DEVICE_ERROR",
            ),
            (
                RvError::SessionHandleInvalid,
                "C_Sign of the module failed with CKR_SESSION_HANDLE_INVALID",
            ),
            (
                RvError::VendorDefined(0x8000_0382),
                "C_Sign of the module failed with the vendor's code 0x80000382 (see the vendor's manual)",
            ),
        ] {
            assert_eq!(Fault::of(code).to_string(), text);
        }
    }

    #[test]
    fn the_table() {
        for (code, expected) in [
            (RvError::PinIncorrect, Remedy::None),
            (RvError::PinLocked, Remedy::None),
            (RvError::SessionHandleInvalid, Remedy::NewSession),
            (RvError::UserNotLoggedIn, Remedy::NewSession),
            (RvError::KeyHandleInvalid, Remedy::NewSession),
            (RvError::DeviceError, Remedy::Reinitialise),
            (RvError::DeviceRemoved, Remedy::Reinitialise),
            (RvError::TokenNotPresent, Remedy::Reinitialise),
            (RvError::GeneralError, Remedy::Reinitialise),
            (RvError::CryptokiNotInitialized, Remedy::Reinitialise),
            (RvError::VendorDefined(0x8000_0001), Remedy::Reinitialise),
            (RvError::UnknownErrorCode(0x7fff), Remedy::Reinitialise),
        ] {
            assert_eq!(Fault::of(code).remedy(), expected, "{code:?}");
        }
    }
}
