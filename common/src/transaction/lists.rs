//! The three short closed lists: kinds, channels and merchant categories.

/// Declares a closed list: an enum of one byte whose variants know their index and their text on the wire.
macro_rules! closed_list {
    ($(#[$meta:meta])* $name:ident { $($(#[$variant_meta:meta])* $variant:ident = $code:literal,)+ }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum $name { $($(#[$variant_meta])* $variant,)+ }

        impl $name {
            /// Every member of the list, in the order of the indices.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];
            /// How many members the list has.
            pub const COUNT: usize = Self::ALL.len();

            /// The position in [`ALL`](Self::ALL).
            #[inline]
            pub const fn index(self) -> usize {
                self as usize
            }

            /// The member at `index` of [`ALL`](Self::ALL).
            pub fn from_index(index: usize) -> Option<Self> {
                Self::ALL.get(index).copied()
            }

            /// The text on the wire and in every report.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$variant => $code,)+ }
            }

            /// The member with this text, compared exactly.
            #[inline]
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)+ _ => None }
            }
        }
    };
}

closed_list! {
    /// What kind of transaction it is. Amounts are positive for all of them.
    Kind {
        /// Money paid for goods or services.
        Purchase = "purchase",
        /// Money given back for an earlier purchase.
        Refund = "refund",
        /// Cash taken out.
        Withdrawal = "withdrawal",
        /// Money moved to another account.
        Transfer = "transfer",
        /// Money paid in.
        Deposit = "deposit",
    }
}

closed_list! {
    /// By which way a transaction was made.
    Channel {
        /// A card at a terminal.
        CardPresent = "card_present",
        /// A browser.
        Online = "online",
        /// A telephone.
        Mobile = "mobile",
        /// A cash machine.
        Atm = "atm",
    }
}

closed_list! {
    /// A merchant's line of business. Any text that isn't in the list counts as [`Category::Other`].
    Category {
        /// Supermarkets and food shops.
        Groceries = "groceries",
        /// Restaurants, cafés, bars.
        Restaurants = "restaurants",
        /// Petrol stations and charging points.
        Fuel = "fuel",
        /// Local transport: trains, buses, taxis.
        Transport = "transport",
        /// Airlines and travel agents.
        Travel = "travel",
        /// Hotels and other stays.
        Lodging = "lodging",
        /// Cinemas, concerts, sport.
        Entertainment = "entertainment",
        /// Computers, telephones, appliances.
        Electronics = "electronics",
        /// Clothes and shoes.
        Clothing = "clothing",
        /// Furniture and things for house and garden.
        Household = "household",
        /// Doctors, dentists, hospitals.
        Health = "health",
        /// Chemists.
        Pharmacy = "pharmacy",
        /// Electricity, gas, water.
        Utilities = "utilities",
        /// Telephone and internet.
        Telecom = "telecom",
        /// Schools, courses, books.
        Education = "education",
        /// Insurance of any kind.
        Insurance = "insurance",
        /// Donations.
        Charity = "charity",
        /// Games, films, music, software to download.
        DigitalGoods = "digital_goods",
        /// Lotteries and betting.
        Gambling = "gambling",
        /// Banks: cash, transfers, deposits.
        Financial = "financial",
        /// Everything else.
        Other = "other",
    }
}

impl Category {
    /// The category a record's text counts as: the one with this code, else [`Category::Other`].
    #[inline]
    pub fn of(text: &str) -> Self {
        Self::from_code(text).unwrap_or(Self::Other)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    macro_rules! check_list {
        ($list:ident) => {
            for (index, &member) in $list::ALL.iter().enumerate() {
                assert_eq!(member.index(), index);
                assert_eq!($list::from_index(index), Some(member));
                assert_eq!($list::from_code(member.code()), Some(member));
                assert_eq!($list::from_code(&member.code().to_uppercase()), None);
            }
            assert_eq!($list::from_index($list::COUNT), None);
            assert_eq!($list::from_code(""), None);
        };
    }

    #[test]
    fn every_member_is_found_by_its_code_and_its_index() {
        check_list!(Kind);
        check_list!(Channel);
        check_list!(Category);
    }

    #[test]
    fn a_category_outside_the_list_counts_as_other() {
        assert_eq!(Category::of("restaurants"), Category::Restaurants);
        for text in ["", "Restaurants", "space tourism", "other"] {
            assert_eq!(Category::of(text), Category::Other, "{text:?}");
        }
    }
}
